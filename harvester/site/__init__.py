"""The pages of a Snapshot, made from its Inventory."""
