"""What is asked of finished Snapshots: verify, diff, prune, export, catalog."""
