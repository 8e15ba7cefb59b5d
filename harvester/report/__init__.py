"""From a report's HTML to its images, its figures and its offline page."""

from harvester.report.figures import Figure, parse_figure
from harvester.report.unpack import Unpacked, UnpackedImage, unpack_report, unpacked_without_images

__all__ = ["Figure", "Unpacked", "UnpackedImage", "parse_figure", "unpack_report", "unpacked_without_images"]
