"""A sheet with axes on which series are drawn; Pillow does the drawing."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

BLUE: Final[Colour] = (66, 133, 190)
ORANGE: Final[Colour] = (245, 166, 35)
GREY: Final[Colour] = (150, 150, 150)
RED: Final[Colour] = (208, 70, 62)
GREEN: Final[Colour] = (66, 150, 92)
INK: Final[Colour] = (70, 70, 70)
_GRID: Final[Colour] = (226, 226, 226)
PALETTE: Final[tuple[Colour, ...]] = (BLUE, ORANGE, GREEN, RED, (126, 98, 163), GREY)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class Canvas:
    """A white sheet with a plot area; `set_range` maps values to pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._image = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._text = max(10, height // 20)
        self.left, self.right = round(width * 0.01) + self._text * 4, width - self._text
        self.top, self.bottom = self._text, height - self._text * 2
        self._low, self._high = 0.0, 1.0

    def set_range(self, low: float, high: float, *, percent: bool = False) -> None:
        """Set the values at the bottom and the top, and draw the grid with its labels."""
        margin = (high - low) * 0.05 or 0.5
        self._low, self._high = low - margin, high + margin
        step = _step(self._high - self._low)
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        for value in (n * step for n in range(first, last + 1)):
            y = self.y(value)
            self._draw.line([(self.left, y), (self.right, y)], fill=_GRID, width=1)
            label = f"{value * 100:.0f}%" if percent else f"{value:.{_decimals(step)}f}"
            self.draw_text(self.left - self._text // 2, y, label, anchor="rm")

    def x(self, share: float) -> float:
        """The pixel at a share of the width."""
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        """The pixel of a value."""
        share = (value - self._low) / (self._high - self._low)
        return self.bottom - share * (self.bottom - self.top)

    def label_years(self, first: int, last: int) -> None:
        """Label the width with years."""
        count = last - first + 1
        every = max(1, count // 10)
        for n in range(0, count, every):
            self.draw_text(self.x((n + 0.5) / count), self.height - self._text, str(first + n), anchor="mm")

    def draw_line(self, values: Sequence[float], colour: Colour, *, width: int = 0) -> None:
        """Draw a series over the whole width."""
        last = max(len(values) - 1, 1)
        points = [(self.x(n / last), self.y(value)) for n, value in enumerate(values)]
        self._draw.line(points, fill=colour, width=width or max(2, self.height // 180), joint="curve")

    def draw_area(self, values: Sequence[float], colour: Colour) -> None:
        """Fill the area between a series and zero."""
        last = max(len(values) - 1, 1)
        points = [(self.x(n / last), self.y(value)) for n, value in enumerate(values)]
        pale = tuple((part + 2 * 255) // 3 for part in colour)
        self._draw.polygon([(self.left, self.y(0)), *points, (self.right, self.y(0))], fill=pale)

    def draw_bar(self, start: float, end: float, value: float, colour: Colour) -> None:
        """Draw a bar from zero to a value, between two shares of the width."""
        top, bottom = sorted((self.y(value), self.y(0)))
        self._draw.rectangle([self.x(start), top, self.x(end), bottom], fill=colour)

    def draw_level(self, value: float, colour: Colour = GREY) -> None:
        """Draw a dashed line at a value."""
        y, dash = self.y(value), max(4, self.width // 120)
        for x in range(int(self.left), int(self.right), dash * 2):
            self._draw.line([(x, y), (min(x + dash, self.right), y)], fill=colour, width=2)

    def draw_cell(self, box: tuple[float, float, float, float], colour: Colour, label: str) -> None:
        """Draw a filled box with a label in its middle."""
        self._draw.rectangle(box, fill=colour, outline="white")
        self.draw_text((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, label, anchor="mm")

    def draw_slice(self, start: float, end: float, colour: Colour, label: str) -> None:
        """Draw a slice of a ring, in degrees, with its label outside."""
        radius = min(self.width, self.height) * 0.36
        x, y = self.width / 2, self.height / 2
        self._draw.pieslice(
            [x - radius, y - radius, x + radius, y + radius], start, end, fill=colour, outline="white"
        )
        inner = radius * 0.5
        self._draw.ellipse([x - inner, y - inner, x + inner, y + inner], fill="white")
        angle = math.radians((start + end) / 2)
        side = "lm" if math.cos(angle) > 0 else "rm"
        self.draw_text(
            x + radius * 1.08 * math.cos(angle), y + radius * 1.08 * math.sin(angle), label, anchor=side
        )

    def draw_text(self, x: float, y: float, text: str, *, anchor: str) -> None:
        """Write a short text; `anchor` as Pillow has it."""
        self._draw.text((x, y), text, fill=INK, font=_font(self._text), anchor=anchor)

    def draw_legend(self, *names: tuple[str, Colour]) -> None:
        """Explain the colours, at the top left."""
        x = float(self.left + self._text)
        for name, colour in names:
            self._draw.line([(x, self.top + 8), (x + self._text, self.top + 8)], fill=colour, width=4)
            self.draw_text(x + self._text * 1.4, self.top + 8, name, anchor="lm")
            x += self._text * (3 + len(name) * 0.55)

    def to_png(self) -> bytes:
        """The sheet as a PNG file."""
        file = io.BytesIO()
        self._image.save(file, "PNG", compress_level=4)
        return file.getvalue()


def _step(span: float) -> float:
    """A round distance between grid lines, for four to nine of them."""
    rough = span / 5
    power: float = 10 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)


def _decimals(step: float) -> int:
    return max(0, -math.floor(math.log10(step) + 1e-9)) + (1 if f"{step:e}".startswith("2.5") else 0)
