"""A document as Markdown, with its pictures as files beside it: for places that show no HTML, such as a repository."""

import io
import re
from collections.abc import Sequence

from kerneldistill.bundle.contact_sheet import draw_sheet
from kerneldistill.report.document import (
    Beside,
    Block,
    Chart,
    Confusion,
    Document,
    Listing,
    Missing,
    Moving,
    Paragraph,
    Sheet,
    Stats,
    Strip,
    Table,
    Tile,
)
from kerneldistill.report.html import png
from kerneldistill.report.palette import PAPER
from kerneldistill.runtime.escapes import markdown as escaped

TILE = 64


class Markdown:
    """A Markdown text and the files it shows.

    Args:
      document: what to write.
      folder: name of the folder of its pictures, relative to the text.

    Example:
      written = Markdown(document, "report_files")
      written.text, written.files
    """

    def __init__(self, document: Document, folder: str) -> None:
        self.files: dict[str, bytes] = {}
        self._folder = folder
        parts = [f"# {escaped(document.title)}", escaped(document.lead)]
        for section in document.sections:
            parts.append(f"## {escaped(section.title)}")
            parts += [self._block(block) for block in section.blocks]
        parts.append(f"Made by {escaped(document.made_by)}.")
        self.text = "\n\n".join(parts) + "\n"

    def _block(self, block: Block) -> str:
        match block:
            case Paragraph(text):
                return escaped(text)
            case Missing(what, reason):
                return f"> **{escaped(what)}.** Not shown: {escaped(reason)}."
            case Stats(stats):
                return "\n".join(f"- **{escaped(s.value)}** {escaped(s.name)} ({escaped(s.note)})" for s in stats)
            case Table(caption, header, rows, row_headers, strong):
                bold = [[f"**{escaped(c)}**" if i in strong else escaped(c) for c in row] for i, row in enumerate(rows)]
                return _table(caption, [escaped(name) for name in header], bold, row_headers)
            case Chart(name, caption, alt, svg):
                return self._picture(f"{name}.svg", _on_paper(svg).encode(), alt, caption)
            case Sheet(name, caption, contents):
                buffer = io.BytesIO()
                draw_sheet(contents).save(buffer, "PNG")
                return self._picture(f"{name}.png", buffer.getvalue(), contents.title, caption)
            case Moving(name, caption, alt, gif):
                return self._picture(f"{name}.gif", gif, alt, caption)
            case Strip(name, caption, tiles):
                return self._strip(name, caption, tiles)
            case Confusion(caption, class_names, counts):
                rows = [[escaped(name), *map(str, row)] for name, row in zip(class_names, counts.tolist(), strict=True)]
                return _table(caption, ["true class", *map(escaped, class_names)], rows, 1)
            case Listing(title, text):
                return f"{escaped(title)}:\n\n{_fenced(text)}"
            case Beside(blocks):
                return "\n\n".join(self._block(each) for each in blocks)

    def _picture(self, name: str, content: bytes, alt: str, caption: str) -> str:
        return f"{escaped(caption)}:\n\n{self._image(name, content, alt)}"

    def _image(self, name: str, content: bytes, alt: str) -> str:
        self.files[name] = content
        return f"![{escaped(alt)}](<{self._folder}/{name}>)"

    def _strip(self, name: str, caption: str, tiles: Sequence[Tile]) -> str:
        shown, said = [], []
        for number, tile in enumerate(tiles, 1):
            scale = max(1, TILE // max(tile.pixels.shape[:2]))
            shown.append(self._image(f"{name}-{number:02}.png", png(tile.pixels, scale), tile.alt))
            first, *rest = map(escaped, tile.lines)
            said.append(", ".join([first if tile.right else f"**{first}**", *rest]))
        return _table(caption, shown, [said], len(tiles))


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], row_headers: int) -> str:
    rule = [":--" if column < row_headers else "--:" for column in range(len(header))]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]
    return f"{escaped(caption)}:\n\n" + "\n".join(lines)


def _fenced(text: str) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _on_paper(svg: str) -> str:
    """Return a drawing for a viewer whose page may be dark: on light paper, in a font that is there."""
    first = svg.index(">", svg.index("<svg")) + 1
    paper = f'<rect width="100%" height="100%" style="fill: {PAPER.light}"/>'
    return svg[:first] + paper + svg[first:]
