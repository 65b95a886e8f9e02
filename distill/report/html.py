"""A document as one HTML page: no script, nothing fetched, light and dark."""

import base64
import io
from collections.abc import Iterator, Sequence
from importlib import resources
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image

from kerneldistill.bundle.contact_sheet import CLASSES_ABREAST, ROWS, SheetContents, displayed
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
    Section,
    Sheet,
    Stats,
    Strip,
    Table,
    Tile,
)
from kerneldistill.report.html_tree import drawing, node, page
from kerneldistill.report.palette import themed, variables

# Nothing may be fetched or run, whatever a name in the report says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(document: Document) -> str:
    """Return the page."""
    links = [node("li", node("a", section.title, href=f"#{section.anchor}")) for section in document.sections]
    body = node(
        "body",
        node("a", "Skip to the report", class_="skip", href="#report"),
        node("header", node("h1", document.title), node("p", document.lead, class_="lead")),
        node("nav", node("ol", links), aria_label="Sections"),
        node("main", [_section(section) for section in document.sections], id="report"),
        node("footer", node("p", f"Made by {document.made_by}.")),
    )
    made_by = node("meta", name="generator", content=document.made_by)
    return page(node("html", head(document.title, _POLICY, made_by), body, lang="en"))


def head(title: str, policy: str, *more: Element) -> Element:
    """Return the head of a page that lets in what `policy` says, with `more` of its own."""
    return node(
        "head",
        node("meta", charset="utf-8"),
        node("meta", http_equiv="Content-Security-Policy", content=policy),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("meta", name="color-scheme", content="light dark"),
        *more,
        node("title", title),
        node("style", style()),
    )


def style() -> str:
    """Return the style of all pages."""
    sheet = resources.files("kerneldistill.report").joinpath("style.css").read_text(encoding="utf-8")
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {variables(dark=True)} }} }}"
    return f":root {{ {variables(dark=False)} }}\n{dark}\n{sheet}"


def _section(section: Section) -> Element:
    heading = node("h2", section.title, id=f"{section.anchor}-title")
    blocks = [drawn(block) for block in section.blocks]
    return node("section", heading, blocks, id=section.anchor, aria_labelledby=f"{section.anchor}-title")


def drawn(block: Block) -> Element:
    """Return a block as a node of a page."""
    match block:
        case Paragraph(text):
            return node("p", text)
        case Missing(what, reason):
            return node("p", node("strong", f"{what}."), f" Not shown: {reason}.", class_="missing")
        case Stats(stats):
            return node("dl", [_stat(*stat) for stat in stats], class_="stats")
        case Table():
            return _table(block)
        case Chart(name, caption, alt, svg):
            return node("figure", node("figcaption", caption), drawing(themed(svg), alt, name), class_="drawn")
        case Sheet(_, caption, contents):
            return node("figure", node("figcaption", caption), list(_sheet(contents)), class_="wide")
        case Moving():
            return _moving(block)
        case Strip(_, caption, tiles):
            shown = node("ul", [_tile(tile) for tile in tiles], class_="strip")
            return node("figure", node("figcaption", caption), shown, class_="wide")
        case Confusion():
            return _confusion(block)
        case Listing(title, text):
            return node("details", node("summary", title), node("pre", node("code", text)))
        case Beside(blocks):
            return node("div", [drawn(each) for each in blocks], class_="beside")


def _stat(value: str, name: str, note: str) -> Element:
    return node("div", node("dt", name), node("dd", value, class_="value"), node("dd", note, class_="note"))


def _table(table: Table) -> Element:
    header = [
        node("th", name, scope="col", class_=None if column < table.row_headers else "number")
        for column, name in enumerate(table.header)
    ]
    rows = []
    for number, row in enumerate(table.rows):
        cells = [
            node("th", text, scope="row")
            if column == 0
            else node("td", text, class_=None if column < table.row_headers else "number")
            for column, text in enumerate(row)
        ]
        rows.append(node("tr", cells, class_="strong" if number in table.strong else None))
    inner = node("table", node("caption", table.caption), node("thead", node("tr", header)), node("tbody", rows))
    return _scrolled(inner, table.caption)


def _scrolled(table: Element, name: str) -> Element:
    """Return a table that scrolls by itself where the page is too narrow for it; by keyboard too."""
    return node("div", table, class_="scrolled", role="region", tabindex="0", aria_label=name)


def _confusion(block: Confusion) -> Element:
    totals = np.maximum(block.counts.sum(axis=1), 1)
    header = [
        node("td"),
        *(node("th", name, scope="col") for name in block.class_names),
        node("th", "right", scope="col"),
    ]
    rows = []
    for true, name in enumerate(block.class_names):
        cells = [
            _count(
                int(block.counts[true, predicted]),
                float(block.counts[true, predicted] / totals[true]),
                true == predicted,
            )
            for predicted in range(len(block.class_names))
        ]
        right = f"{100 * block.counts[true, true] / totals[true]:.0f} %"
        rows.append(node("tr", node("th", name, scope="row"), cells, node("td", right, class_="right")))
    inner = node("table", node("caption", block.caption), node("thead", node("tr", header)), node("tbody", rows))
    inner.set("class", "confusion")
    return _scrolled(inner, block.caption)


def _count(count: int, part: float, right: bool) -> Element:
    # A root makes few mistakes visible beside many hits.
    strength = f"--part: {100 * part**0.5:.0f}%"
    return node(
        "td", str(count) if count else "·", style=strength, class_="hit" if right else "miss" if count else "none"
    )


def _sheet(contents: SheetContents) -> Iterator[Element]:
    """Yield a table for every ten classes: a column a class, rows of starts and of learned images by turns."""
    counts = np.bincount(contents.class_ids, minlength=len(contents.class_names))
    kind = contents.name or ("real" if contents.starts is None else "learned")
    scale = 1.0 if contents.labels is None else float(np.abs(contents.labels).max())
    for start in range(0, len(counts), CLASSES_ABREAST):
        group = range(start, min(start + CLASSES_ABREAST, len(counts)))
        names = [node("th", contents.class_names[label], scope="col") for label in group]
        of_class = [np.flatnonzero(contents.class_ids == label)[:ROWS] for label in group]
        rows = []
        for row in range(max(map(len, of_class))):
            number = f" {row + 1}" if max(map(len, of_class)) > 1 else ""
            members = [int(of[row]) if row < len(of) else None for of in of_class]
            if contents.starts is not None:
                rows.append(_pictures(f"start{number}", contents.starts, members, contents))
            rows.append(_pictures(f"{kind}{number}", contents.learned, members, contents))
            if contents.labels is not None:
                bars = [
                    node("td", None if i is None else _bars(contents, contents.labels[i], i, scale)) for i in members
                ]
                rows.append(node("tr", node("th", f"label{number}", scope="row"), bars))
        head = node("thead", node("tr", node("td"), names))
        table = node("table", head, node("tbody", rows), class_=f"sheet across-{len(group)}")
        yield _scrolled(table, f"{contents.title}, classes {group.start + 1} to {group.stop}")


def _pictures(name: str, images: np.ndarray, members: Sequence[int | None], contents: SheetContents) -> Element:
    cells = [
        node("td", None if i is None else _image(images[i], f"{contents.class_names[contents.class_ids[i]]}, {name}"))
        for i in members
    ]
    return node("tr", node("th", name, scope="row"), cells)


def _bars(contents: SheetContents, label: np.ndarray, index: int, scale: float) -> Element:
    """Return a label [k] as bars about a line at 0; `scale` is what takes half the height."""
    own, width = int(contents.class_ids[index]), 100 / len(label)
    told = ", ".join(f"{name} {value:+.2f}" for name, value in zip(contents.class_names, label, strict=True))
    bars = []
    for number, value in enumerate(label):
        height = 20 * abs(float(value)) / scale if scale > 0 else 0.0
        bars.append(
            node(
                "rect",
                x=f"{number * width + 0.1 * width:.2f}",
                y=f"{20 - height if value > 0 else 20:.2f}",
                width=f"{0.8 * width:.2f}",
                height=f"{height:.2f}",
                class_="own" if number == own else None,
            )
        )
    zero = node("line", x1="0", x2="100", y1="20", y2="20")
    svg = node("svg", bars, zero, class_="bars", role="img", aria_label=f"Label: {told}", preserveAspectRatio="none")
    svg.set("viewBox", "0 0 100 40")
    return svg


def _moving(block: Moving) -> Element:
    """Return a picture that moves, or stands still for who wants things to."""
    with Image.open(io.BytesIO(block.still)) as still:
        width, height = still.size
    calm = node("source", media="(prefers-reduced-motion: reduce)", srcset=_data(block.still, "png"))
    moves = node("img", src=_data(block.gif, "gif"), alt=block.alt, width=str(width), height=str(height))
    picture = node("picture", calm, moves)
    return node("figure", node("figcaption", block.caption), picture, class_="moving")


def _tile(tile: Tile) -> Element:
    first, *rest = tile.lines
    said = node("span", first, class_=None if tile.right else "wrong")
    return node("li", _image(tile.pixels, tile.alt), said, [node("span", line, class_="note") for line in rest])


def _image(pixels: np.ndarray, alt: str) -> Element:
    height, width = pixels.shape[:2]
    return node("img", src=_data(png(pixels), "png"), alt=alt, width=str(width), height=str(height))


def _data(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def png(pixels: np.ndarray, scale: int = 1) -> bytes:
    """Return one image [h, w, c], each pixel a square of `scale` pixels, as PNG."""
    image = Image.fromarray(displayed(pixels))
    buffer = io.BytesIO()
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(
        buffer, "PNG", optimize=True
    )
    return buffer.getvalue()
