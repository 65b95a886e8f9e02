"""A page as a browser's parser sees its markup."""

from html.parser import HTMLParser
from typing import NamedTuple

# Elements without an end.
VOID = {"source", "meta", "img", "br", "hr", "link", "input"}


class Element(NamedTuple):
    """name: of the element. attributes: as given. inside: names of the elements around it."""

    name: str
    attributes: dict[str, str]
    inside: tuple[str, ...]


class Page(HTMLParser):
    """Every element of a page, and its text.

    Args:
      text: the page
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"never closed: {self._open}"

    def named(self, *names: str) -> list[Element]:
        """The elements of some names."""
        return [element for element in self.elements if element.name in names]

    @property
    def text(self) -> str:
        """All text, in order."""
        return "".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes an element."""
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Checks that elements nest."""
        assert self._open, f"</{tag}> ends nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Notes text."""
        self.words.append(data)
