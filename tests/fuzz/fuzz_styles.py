"""Guided fuzzing of the CSS of offline pages."""

from drive import drive

drive("styles")
