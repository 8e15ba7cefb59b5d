"""The command line: one module a command; the only print and the only exit codes."""
