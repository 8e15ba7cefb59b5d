"""Guided fuzzing of the files of an Archive."""

from drive import drive

drive("records")
