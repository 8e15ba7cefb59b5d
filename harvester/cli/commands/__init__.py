"""The room cli/commands."""
