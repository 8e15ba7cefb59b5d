"""Columns of text, for terminals and for `grep`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> Iterator[str]:
    """Yield the lines of a table. Cells are never truncated: output that is piped has no width.

    Args:
        head: Titles of the columns.
        rows: Cells, as many in each row.
        right: Titles of the columns that hold numbers, with blanks between.
    """
    lines = [head, *rows]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(head))]
    numbers = right.split()
    for line in lines:
        cells = []
        for title, cell, width in zip(head, line, widths, strict=True):
            blank = " " * (width - cell_len(cell))
            cells.append(blank + cell if title in numbers else cell + blank)
        yield "  ".join(cells).rstrip()
