"""Guided fuzzing of the HTML of reports."""

from drive import drive

drive("report")
