"""Writes the pages of a Snapshot, `index.html` and `site/`, from its Inventory.

The rule: pages work from disk without network or server, and a page that is the same as in the previous
Snapshot becomes a hard link to it, so that a night without changes adds almost no bytes.

    pages     writes all pages                 rows      what a page shows about one backtest: pure
    summary   what the index lists: pure       scripts   data for the scripts of the pages
    folder    writes or links one file

Example:
    write_pages(partial.path)
"""

from harvester.site.pages import write_pages

__all__ = ["write_pages"]
