"""Reports: from the HTML of one report to its images, its figures and its offline page.

Rule: everything here is a function of the HTML alone, without files or network, and bounded in time and
memory for any input. An image that cannot be read becomes a warning; HTML that would take too long to parse
raises `ReportError`, and `unpacked_without_images` gives what is archived then.

    try:
        unpacked = unpack_report(html)
    except ReportError as exc:
        unpacked = unpacked_without_images(html, str(exc))
    sharpe = parse_figure(unpacked.figures["Sharpe Ratio"])
"""

from harvester.report.figures import Figure, parse_figure
from harvester.report.unpack import Unpacked, UnpackedImage, unpack_report, unpacked_without_images

__all__ = ["Figure", "Unpacked", "UnpackedImage", "parse_figure", "unpack_report", "unpacked_without_images"]
