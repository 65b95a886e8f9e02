"""The blocks a report is made of. They know nothing of HTML or Markdown, and hold text as it is, never markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kerneldistill.bundle.contact_sheet import SheetContents


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True)
class Missing:
    """What cannot be shown. what: a noun with its article. reason: a sentence without its full stop."""

    what: str
    reason: str


class Stat(NamedTuple):
    """A number that is worth a large type. value: as text. name: of what. note: what to hold it against."""

    value: str
    name: str
    note: str


@dataclass(frozen=True)
class Stats:
    """Some numbers in a row."""

    stats: Sequence[Stat]


@dataclass(frozen=True)
class Table:
    """Rows of text under a header.

    caption: what it shows
    header: names of the columns
    rows: cells, as many as the header; the first `row_headers` of a row name it
    row_headers: columns that name rows and are set to the left, the others hold numbers and are set to the right
    strong: rows to be set in bold
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    row_headers: int = 1
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Chart:
    """A drawing.

    name: of its file, letters and dashes
    caption: what it shows
    alt: the same for who cannot see it, with the numbers that matter
    svg: the drawing, in the colours of `kerneldistill.report.palette`
    """

    name: str
    caption: str
    alt: str
    svg: str


@dataclass(frozen=True, eq=False)
class Sheet:
    """Learned images beside what they began as. name: of its file. contents: what is shown."""

    name: str
    caption: str
    contents: SheetContents


@dataclass(frozen=True)
class Moving:
    """A picture that moves. name: of its file. alt: what is seen. gif, still: its bytes, and those of its last PNG."""

    name: str
    caption: str
    alt: str
    gif: bytes
    still: bytes


@dataclass(frozen=True, eq=False)
class Tile:
    """One image. pixels: float [h, w, c], 0..255. alt: what it is. lines: below it. right: False is marked wrong."""

    pixels: np.ndarray
    alt: str
    lines: Sequence[str]
    right: bool


@dataclass(frozen=True)
class Strip:
    """Images in a row. name: of their files."""

    name: str
    caption: str
    tiles: Sequence[Tile]


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often images of one class were taken for another. counts: int [k, k], true class by predicted class."""

    caption: str
    class_names: Sequence[str]
    counts: np.ndarray


@dataclass(frozen=True)
class Listing:
    """Text as it stands, to be unfolded. title: what it is."""

    title: str
    text: str


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where there is room."""

    blocks: Sequence["Block"]


Block = Paragraph | Missing | Stats | Table | Chart | Sheet | Moving | Strip | Confusion | Listing | Beside


@dataclass(frozen=True)
class Section:
    """A part with a heading. anchor: its name in links, letters and dashes."""

    title: str
    anchor: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole report.

    title: the result, a sentence
    lead: what it is a result of, a sentence or two
    sections: in order
    made_by: program and version
    """

    title: str
    lead: str
    sections: Sequence[Section]
    made_by: str
