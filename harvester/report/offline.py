"""The offline page of a report: images from files, our stylesheet, and nothing that loads or runs."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

_POLICY: Final = (
    "default-src 'none'; img-src file: data:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_DROPPED: Final = (
    "script, iframe, frame, object, embed, applet, base, link, portal, noscript, audio, video, source, "
    'track, meta[http-equiv], meta[property], meta[name="referrer"], template'
)
_RAW: Final = ", ".join(
    f"{above} {raw}"
    for above in ("svg", "math")
    for raw in ("style", "xmp", "noembed", "noframes", "plaintext")
)
"""Their text is written unescaped, but the next parser reads it as markup: it would find new elements."""
_OWN_STYLES: Final = ("/report.css", "/pdf.css")
"""The report's own stylesheet, which is a separate file in reports before 2020."""
_URL_ATTRIBUTES: Final = frozenset(
    {"src", "srcset", "href", "xlink:href", "background", "poster", "action", "formaction", "data",
     "data-src", "ping", "cite", "longdesc", "lowsrc", "dynsrc", "manifest", "codebase", "archive",
     "imagesrcset"}
)  # fmt: skip
_DELAYING: Final = frozenset({"nonce", "integrity", "loading", "decoding"})
"""Attributes that block or delay an image: a chart must be loaded when the page is printed."""
_SCHEME_CHARS: Final = 10
"""Characters of an address that decide whether it may stay."""
_CSS_ESCAPE: Final = re.compile(
    r"\\(?:0{0,4}([4-7][0-9a-f])(?![0-9a-f])[ \t\r\n\f]?|([g-z])|[^0-9a-f\r\n\f])", re.IGNORECASE
)
"""A letter written by its code or after a backslash: nobody does that but to hide `url` from a filter."""
_CSS_REMOTE: Final = re.compile(
    r"@import[^;}]{0,2000}+;?|url\(\s*+(?!['\"]?\s{0,9}+data:)[^)]{0,2000}+\)?|image-set\(|(?<![\w-])src\(",
    re.IGNORECASE,
)


@cache
def _style(name: str) -> str:
    return files("harvester.report").joinpath("styles", f"{name}.css").read_text(encoding="utf-8")


def stylesheet(links: list[str]) -> str:
    """Our replacement for the remote stylesheets of a page, chosen by their addresses.

    A page without Bootstrap, such as a user's own template, keeps its look.
    """
    style = _style("always")
    if any("bootstrap" in link for link in links):
        style += _style("layout")
    if any(link.endswith(_OWN_STYLES) for link in links):
        style += _style("frame")
    return style


def make_offline(tree: LexborHTMLParser, elements: list[LexborNode], sources: dict[int, str]) -> str:
    """Turn a parsed report into its offline page; the tree is changed.

    Args:
        tree: The report.
        elements: All its elements, in order.
        sources: The file of each image that has one, by the node's `mem_id`.
    """
    style = stylesheet([link.attributes.get("href") or "" for link in tree.css('link[rel="stylesheet"]')])
    for node in elements:
        _disarm(node, sources.get(node.mem_id))
    for node in tree.css(_DROPPED):
        node.decompose()
    for node in tree.css(_RAW):
        if node.tag != "style" or re.search("[<&]", node.text(deep=True)):
            node.decompose()
    for node in tree.css("img:not([src])"):
        if not node.attributes.get("alt"):
            node.decompose()  # a logo, for example: a broken image would be worse than none
    _hide_leftovers(tree)
    _head(tree, style)
    return "<!DOCTYPE html>\n" + _without_doctype(tree.html or "")


def _disarm(node: LexborNode, source: str | None) -> None:
    """Remove from an element what could load or run something."""
    attributes = node.attributes
    if node.tag == "style":
        _replace_text(node, local_css(node.text(deep=True)))
    for name, value in attributes.items():
        lowered = name.lower()
        if lowered.startswith("on") or lowered in _DELAYING:
            del node.attrs[name]
        elif lowered == "style" and value and ("(" in value or "\\" in value):
            node.attrs[name] = local_css(value)
        elif lowered in _URL_ATTRIBUTES and not _stays(node, lowered, value or ""):
            del node.attrs[name]
    if source is not None:
        node.attrs["src"] = source


def _stays(node: LexborNode, name: str, value: str) -> bool:
    """Whether an address may stay: links may, as a person decides to follow them; nothing else is remote."""
    text = value.strip()[:_SCHEME_CHARS].lower()
    if node.tag == "a" and name == "href":
        return text.startswith(("https://", "http://", "#", "mailto:"))
    return name in {"href", "xlink:href"} and text.startswith("#")


def local_css(css: str) -> str:
    """Rules without remote addresses: the policy blocks those too, but with an error in the console each."""
    return _CSS_REMOTE.sub("none", _CSS_ESCAPE.sub(_letter, css))


def _letter(escape: re.Match[str]) -> str:
    """The letter that an escape means; any other escape stays, since its character may be CSS syntax."""
    char = chr(int(escape[1], 16)) if escape[1] else escape[2]
    return char if char and char.isalpha() else escape[0]


def _replace_text(node: LexborNode, text: str) -> None:
    for child in list(node.iter(include_text=True)):
        child.decompose()
    node.insert_child(text)


def _hide_leftovers(tree: LexborHTMLParser) -> None:
    """Hide `{{$KPI-LIVE-…}}`; in the report of a backtest most cells for live trading still hold one."""
    cells = tree.css("td.kpi-live")
    leftovers = [cell for cell in cells if cell.text(deep=False).lstrip().startswith("{{$")]
    if len(leftovers) * 2 > len(cells):
        for cell in tree.css(".kpi-live"):
            cell.attrs["hidden"] = ""
    else:
        for cell in leftovers:
            _replace_text(cell, "")


def _head(tree: LexborHTMLParser, rules: str) -> None:
    """Insert policy, encoding and stylesheet before everything else in the head."""
    head = tree.head
    if head is None:
        return
    first = head.first_child
    policy = tree.create_node("meta")
    policy.attrs["http-equiv"] = "Content-Security-Policy"
    policy.attrs["content"] = _POLICY
    charset = tree.create_node("meta")
    charset.attrs["charset"] = "utf-8"
    style = tree.create_node("style")
    style.insert_child(rules)
    for node in (policy, charset, style):
        if first is None:
            head.insert_child(node)
        else:
            first.insert_before(node)


def _without_doctype(html: str) -> str:
    return re.sub(r"\A\s*<!doctype[^>]*>\s*", "", html, count=1, flags=re.IGNORECASE)
