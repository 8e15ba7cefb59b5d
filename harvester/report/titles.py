"""The title of each image of a report, in any known layout, and the file name made from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from selectolax.lexbor import LexborNode

_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_MAX_TITLE: Final = 200
_MAX_SLUG: Final = 60
_MAX_NODES: Final = 100
_SPACE: Final = re.compile(r"\s+")
_NO_SLUG: Final = re.compile(r"[^a-z0-9]+")


@dataclass
class TitleFinder:
    """Follows a document in its order and knows the title of each image that it reaches.

    There are three layouts:

    1. LEAN's own: one table for each chart, with one heading cell.
    2. That of 2017: a table with a row of heading cells, and after it one image for each of them.
    3. A user's own template: anything. Caption, `alt`, `title`, `id` and heading are tried in this order.
    """

    _titles: list[str] = field(default_factory=list)
    """Heading cells since the last table began; the n-th belongs to the n-th image."""
    _used: int = 0
    _heading: str = ""
    _captions: dict[int, str] = field(default_factory=dict)
    """By figure, each searched once: one figure may hold thousands of images and a very long caption."""

    def visit(self, node: LexborNode) -> None:
        """Record the next element of the document."""
        tag = node.tag
        if tag == "table":
            self._titles, self._used = [], 0
        elif tag == "th":
            self._titles.append(_text(node))
        elif tag == "td" and self._titles and not _has_image(node):
            if _text(node):
                self._titles = []  # a table of figures: its headings are not titles of images
        elif tag in _HEADINGS:
            self._heading = _text(node)
            self._titles, self._used = [], 0

    def title(self, image: LexborNode) -> str:
        """The title of the image visited last, `image` if nothing names it; call it once for each image."""
        place, self._used = self._used, self._used + 1
        if place < len(self._titles) and self._titles[place]:
            return self._titles[place]
        attributes = image.attributes
        names = (
            self._caption(image),
            attributes.get("alt") or "",
            attributes.get("title") or "",
            attributes.get("id") or "",
            self._heading,
        )
        return next((_clean(name) for name in names if _clean(name)), "image")

    def _caption(self, image: LexborNode) -> str:
        """The caption of the figure around an image, at most four levels up; empty if there is none."""
        node = image.parent
        for _ in range(4):
            if node is None:
                return ""
            if node.tag == "figure":
                if node.mem_id not in self._captions:
                    captions = (below for below in _within(node) if below.tag == "figcaption")
                    self._captions[node.mem_id] = next(map(_text, captions), "")
                return self._captions[node.mem_id]
            node = node.parent
        return ""


def file_name(number: int, total: int, title: str, extension: str) -> str:
    """A name such as `02-cumulative-returns.png`: ordered, safe on any file system, unique by its number."""
    prefix = f"{number:0{max(2, len(str(total)))}d}"
    slug = _NO_SLUG.sub("-", title.lower()).strip("-")[:_MAX_SLUG].rstrip("-") or "image"
    return f"{prefix}-{slug}.{extension}"


def _has_image(cell: LexborNode) -> bool:
    return any(node.tag == "img" for node in _within(cell))


def _text(node: LexborNode) -> str:
    return _clean(" ".join(below.text(deep=False) for below in _within(node) if below.is_text_node))


def _within(node: LexborNode) -> Iterator[LexborNode]:
    """A node and the first nodes in it: a limit, so that nested cells do not take quadratic time."""
    return islice(node.traverse(include_text=True), _MAX_NODES)


def _clean(text: str) -> str:
    return _SPACE.sub(" ", text[: _MAX_TITLE * 10]).strip()[:_MAX_TITLE]
