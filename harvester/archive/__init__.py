"""How Snapshots stand on disk and how they get there."""
