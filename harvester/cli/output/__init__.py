"""The room cli/output."""
