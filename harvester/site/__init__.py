"""The pages of a Snapshot, made from its Inventory."""

from harvester.site.pages import write_pages

__all__ = ["write_pages"]
