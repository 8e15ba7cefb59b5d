"""The room audit/export."""
