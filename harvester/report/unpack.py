"""A report unpacked: one parse, and everything that is derived from it. Pure: text in, values out."""

from __future__ import annotations

import hashlib
from html import escape
from itertools import islice
from typing import Final

import msgspec
from selectolax.lexbor import LexborHTMLParser, LexborNode

from harvester.errors import ReportError
from harvester.model import Image
from harvester.report.bounds import check_bounds
from harvester.report.datauri import decode_data_uri, is_data_uri
from harvester.report.detach import Detached, detach_payloads
from harvester.report.figures import key_figures
from harvester.report.offline import make_offline
from harvester.report.sniff import Kind, sniff
from harvester.report.titles import TitleFinder, file_name

_MAX_ELEMENTS: Final = 100_000
"""A limit besides that of tags: the parser may create more elements than there are tags."""
_MAX_IMAGES: Final = 2_000
_MAX_WARNINGS: Final = 100
_PIECE: Final = 2**20
"""Characters of text that are normalized at once: splitting a text takes thirty times its size in memory."""


class UnpackedImage(msgspec.Struct, frozen=True):
    """One image and its bytes."""

    record: Image
    content: bytes


class Unpacked(msgspec.Struct, frozen=True):
    """The contents of a report's HTML."""

    images: tuple[UnpackedImage, ...]
    """In document order; equal bytes under different titles are different images."""
    offline_html: str
    """The page with its images at `images/NAME`, and nothing that loads or runs."""
    figures: dict[str, str]
    """Key statistics as text, by label."""
    text_sha256: str
    """Digest of the visible text with white space normalized; equal when only charts or markup differ."""
    warnings: tuple[str, ...]
    """Why an image could not be decoded, with its number and title."""
    images_found: int
    """How many images are embedded, including those that could not be decoded."""


def unpack_report(html: str) -> Unpacked:
    """Images, figures and offline page of a report.

    Raises:
        ReportError: the HTML is too complex to unpack within seconds; says what it has too much of.
    """
    detached = detach_payloads(html)
    check_bounds(detached.html)
    tree = LexborHTMLParser(detached.html)
    elements = _elements(tree)
    found = _Images(detached)
    titles = TitleFinder()
    for node in elements:
        titles.visit(node)
        if node.tag == "img":
            found.add(node, titles.title(node))
    figures = key_figures(tree)
    paths, images = found.named()
    offline = detached.restore(make_offline(tree, elements, paths))
    text = detached.restore(tree.body.text(deep=True, separator=" ") if tree.body else "")
    return Unpacked(
        images=images,
        offline_html=offline,
        figures=figures,
        text_sha256=_text_sha256(text),
        warnings=found.listed_warnings(),
        images_found=found.count,
    )


def _text_sha256(text: str) -> str:
    """Digest of the text with every run of white space as one blank, and none at its ends."""
    digest = hashlib.sha256()
    has_words = blank = False
    for at in range(0, len(text), _PIECE):
        piece = text[at : at + _PIECE]
        words = piece.split()
        if words and has_words and (blank or piece[0].isspace()):
            digest.update(b" ")
        digest.update(" ".join(words).encode("utf-8", "replace"))
        has_words, blank = has_words or bool(words), piece[-1].isspace()
    return digest.hexdigest()


def _elements(tree: LexborHTMLParser) -> list[LexborNode]:
    """All elements in document order."""
    nodes = tree.root.traverse() if tree.root else iter(())
    elements = list(islice((node for node in nodes if node.is_element_node), _MAX_ELEMENTS + 1))
    if len(elements) > _MAX_ELEMENTS:
        raise ReportError(
            f"the report has more than {_MAX_ELEMENTS} elements; its images were left in the HTML"
        )
    return elements


def unpacked_without_images(html: str, warning: str) -> Unpacked:
    """The result for a report that cannot be unpacked: no images, and an offline page that says why."""
    page = (
        "<!DOCTYPE html>\n<html><head><meta charset='utf-8'><title>Report</title></head>"
        f"<body><p>{escape(warning)}</p>"
        "<p>The report as served is in <code>report.html</code>.</p></body></html>"
    )
    digest = hashlib.sha256(html.encode("utf-8", "replace")).hexdigest()
    return Unpacked((), page, {}, digest, (warning,), 0)


class _Images:
    """Collects the embedded images of one document."""

    def __init__(self, detached: Detached) -> None:
        self.count = 0
        self._detached = detached
        self._warnings: list[str] = []
        self._found: list[tuple[int, str, Kind, bytes]] = []
        """The node's `mem_id`, title, kind and bytes of each image."""

    def add(self, node: LexborNode, title: str) -> None:
        source = node.attributes.get("src") or ""
        if not is_data_uri(source):
            return
        self.count += 1
        try:
            if len(self._found) >= _MAX_IMAGES:
                raise ValueError(f"more than {_MAX_IMAGES} images")
            content = self._detached.content(source) or decode_data_uri(self._detached.restore(source))
            self._found.append((node.mem_id, title, sniff(content), content))
        except ValueError as exc:
            self._warnings.append(f"image {self.count} ({title}) was left in the HTML: {exc}")

    def listed_warnings(self) -> tuple[str, ...]:
        """The first warnings, and a last one that counts the others."""
        listed, more = self._warnings[:_MAX_WARNINGS], len(self._warnings) - _MAX_WARNINGS
        return (*listed, f"{more} more images were left in the HTML") if more > 0 else tuple(listed)

    def named(self) -> tuple[dict[int, str], tuple[UnpackedImage, ...]]:
        """The path of each image by its node's `mem_id`, and the images with their names."""
        paths: dict[int, str] = {}
        images = []
        for number, (node, title, kind, content) in enumerate(self._found, start=1):
            name = file_name(number, len(self._found), title, kind.extension)
            paths[node] = f"images/{name}"
            record = Image(
                name=name,
                title=title,
                media_type=kind.media_type,
                sha256=hashlib.sha256(content).hexdigest(),
                size_bytes=len(content),
                width=kind.width,
                height=kind.height,
            )
            images.append(UnpackedImage(record, content))
        return paths, tuple(images)
