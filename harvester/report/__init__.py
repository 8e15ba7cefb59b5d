"""From a report's HTML to its images, its figures and its offline page."""
