"""The room app/doctor."""
