"""The checks of `harvester doctor`."""
