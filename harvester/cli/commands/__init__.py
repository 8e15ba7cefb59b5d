"""The commands, one file for each; `harvester.cli.app` has the list."""
