"""HTML as a tree, so that text can never become markup: it is escaped where the tree is written, and nowhere else."""

import unicodedata
from collections.abc import Iterable
from typing import TypeAlias
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

# What a node holds: text, nodes, or several of either; None is nothing.
Content: TypeAlias = "str | Element | Iterable[Content] | None"


def node(tag: str, *contents: Content, **attributes: str | None) -> Element:
    """Return an element. Attributes of None are left out; `class_` stands for class, and `_` for the dash of a name."""
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    element = Element(tag, {name: _text(value) for name, value in given.items()})
    for content in contents:
        _add(element, content)
    return element


def drawing(svg: str, alt: str, prefix: str) -> Element:
    """Return an SVG as a node of the page: without its own styles, comments and title, its names under a prefix.

    Args:
      svg: as matplotlib writes it.
      alt: what it shows.
      prefix: tells its names from those of the page's other drawings.
    """
    root = ElementTree.fromstring(svg)
    used = {
        value.rpartition("#")[2].rstrip(")") for each in root.iter() for value in each.attrib.values() if "#" in value
    }
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
        for child in [child for child in each if child.tag.endswith(("}style", "}metadata"))]:
            each.remove(child)
        each.attrib = dict(_local(name, value, used, prefix) for name, value in each.attrib.items())
        each.attrib.pop("", None)
    root.attrib = {"viewBox": root.attrib["viewBox"], "class": "chart", "role": "img", "aria-label": _text(alt)}
    return root


def page(root: Element) -> str:
    """Return the whole document as text."""
    return "<!DOCTYPE html>\n" + ElementTree.tostring(root, encoding="unicode", method="html") + "\n"


def _local(name: str, value: str, used: set[str], prefix: str) -> tuple[str, str]:
    """Return an attribute of a drawing in the page; under the name "" if it is of no use there."""
    name = name.rpartition("}")[2]
    if name == "id":
        return ("id", f"{prefix}-{value}") if value in used else ("", "")
    if name == "href" or value.startswith("url(#"):
        return name, value.replace("#", f"#{prefix}-")
    return name, value


def _add(element: Element, content: Content) -> None:
    if content is None:
        return
    if isinstance(content, str):
        if len(element):
            element[-1].tail = (element[-1].tail or "") + _text(content)
        else:
            element.text = (element.text or "") + _text(content)
    elif isinstance(content, Element):
        element.append(content)
    else:
        for each in content:
            _add(element, each)


def _text(text: str) -> str:
    """Return text without control characters, which HTML forbids, and without those that reverse what follows."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _harmful(letter) else letter for letter in text)


def _harmful(letter: str) -> bool:
    turns = letter in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return turns or (unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t")
