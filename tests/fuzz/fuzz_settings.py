"""Guided fuzzing of settings and scenarios."""

from drive import drive

drive("settings")
