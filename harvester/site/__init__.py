"""Writes the pages of a Snapshot, `index.html` and `site/`, from its Inventory.

The rule: pages work from disk without network or server, and a page that is the same as in
the Snapshot before is linked to it, so that a night without news adds no files.

    pages     writes all of them               rows      what a page shows of one backtest: pure
    summary   what the index lists: pure       scripts   data for the pages' scripts
    folder    writes or links one file

Example:
    write_pages(partial.path)
"""

from harvester.site.pages import write_pages

__all__ = ["write_pages"]
