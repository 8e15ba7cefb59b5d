"""The room audit/verify."""
