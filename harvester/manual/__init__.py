"""The manual: one Markdown file per topic, shipped inside the package.

Rule: this room only reads its own files. Whoever shows a topic decides how (terminal, pipe, browser).
The first line of each file is its heading, and that heading is the topic's title.

    >>> from harvester.manual import topics
    >>> topics()["security"]
    'Security'
"""

from __future__ import annotations

from importlib.resources import files

__all__ = ["text", "topics"]

_SUFFIX = ".md"


def topics() -> dict[str, str]:
    """Return the title of each topic by its name, in alphabetical order."""
    names = sorted(entry.name for entry in files(__name__).iterdir() if entry.name.endswith(_SUFFIX))
    return {name.removesuffix(_SUFFIX): _title(text(name.removesuffix(_SUFFIX))) for name in names}


def text(topic: str) -> str:
    """Return one topic as Markdown.

    Raises:
        FileNotFoundError: the manual has no such topic; `topics()` lists those it has.
    """
    return files(__name__).joinpath(f"{topic}{_SUFFIX}").read_text(encoding="utf-8")


def _title(markdown: str) -> str:
    return markdown.partition("\n")[0].removeprefix("# ")
