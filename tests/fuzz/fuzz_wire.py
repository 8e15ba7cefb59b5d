"""Guided fuzzing of answers of the API."""

from drive import drive

drive("wire")
