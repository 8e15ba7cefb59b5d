"""Guided fuzzing of data URIs and the images in them."""

from drive import drive

drive("images")
