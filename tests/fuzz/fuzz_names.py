"""Guided fuzzing of names and ids that become paths."""

from drive import drive

drive("names")
