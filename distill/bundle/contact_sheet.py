"""The contact sheet: learned images beside what they began as, one column a class.

Pixels are enlarged without smoothing, so that an image of 8x8 is seen as it is. A learned image, taken back through the
inverse whitening, often leaves 0..255; it is shown on one linear scale from the smaller of 0 and its 0.5th percentile
to the larger of 255 and its 99.5th, the rest clipped. An image within 0..255 is thus shown unchanged.

Labels that are not one-hot are shown as bars below their images, one a class, up from a line at 0 or down from it, all
images' on one scale; the bar of the class the image began in is darker.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

TILE = 96  # edge of one enlarged image, about; pixels of the sheet
GAP = 8
MARGIN = 32
HEADER = 30  # height of the line of class names
TITLE = 46  # height of the line above a panel
BARS = 34  # height of the bars of a label
CLASSES_ABREAST = 10
MOST_LETTERS = 100  # of a class name, before it is cut to its column
ROWS = 10  # images of one class that are shown at most
WHITE, INK, FAINT, FRAME = (255, 255, 255), (32, 33, 36), (112, 117, 122), (218, 220, 224)


@dataclass(frozen=True, eq=False)
class SheetContents:
    """What is drawn.

    learned: float [n, h, w, c] learned images as pixels, 0..255 and beyond
    starts: float [n, h, w, c] what they began as, pixels 0..255; None where the images are still these
    class_ids: int [n] class of each image
    class_names: [k] names in label order
    title: one line above everything
    name: written above the learned images; by default `learned`, or `real` where they have no starts
    labels: float [n, k] of the learned images; None where they say no more than the class
    """

    learned: np.ndarray
    starts: np.ndarray | None
    class_ids: np.ndarray
    class_names: Sequence[str]
    title: str
    name: str | None = None
    labels: np.ndarray | None = None


def displayed(pixels: np.ndarray) -> np.ndarray:
    """Return one image [h, w, c] of any range as RGB uint8 [h, w, 3], on the scale of the module's text.

    One channel is shown as grey, three as red, green and blue, any other number as the grey of their mean.
    """
    low, high = min(0.0, np.percentile(pixels, 0.5)), max(255.0, np.percentile(pixels, 99.5))
    scaled = np.clip((pixels - low) * (255 / (high - low)), 0, 255)
    if scaled.shape[-1] != 3:
        scaled = np.repeat(scaled.mean(axis=-1, keepdims=True), 3, axis=-1)
    return np.round(scaled).astype(np.uint8)


class Panel(NamedTuple):
    """A block of one kind of images of up to ten classes.

    left, top: its corner on the sheet, pixels
    name: written above it
    images: float [n, h, w, c] pixels, all classes
    group: the classes it shows
    labels: float [n, k] to be drawn below the images, or None
    """

    left: int
    top: int
    name: str
    images: np.ndarray
    group: range
    labels: np.ndarray | None

    @property
    def bars(self) -> int:
        """Height that labels take below each image."""
        return 0 if self.labels is None else BARS


def draw_sheet(contents: SheetContents, tile: int = TILE) -> Image.Image:
    """Draw the sheet: for every ten classes, a panel of the starts and a panel of the learned images.

    tile: edge of one enlarged image, about, in pixels
    """
    height, width = contents.learned.shape[1:3]
    scale = max(1, round(tile / max(height, width)))
    panels, size = _layout(contents, width * scale, height * scale)
    canvas = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), contents.title, INK, font=_font(22), anchor="lt")
    for panel in panels:
        draw.text((panel.left, panel.top + TITLE // 2), panel.name, FAINT, font=_font(17), anchor="lm")
        for column, label in enumerate(panel.group):
            x = panel.left + column * (width * scale + GAP)
            text = _shortened(contents.class_names[label], _font(14), width * scale + GAP - 2)
            draw.text((x + width * scale / 2, panel.top + TITLE + HEADER / 2), text, INK, font=_font(14), anchor="mm")
            for row, index in enumerate(np.flatnonzero(contents.class_ids == label)[:ROWS]):
                y = panel.top + TITLE + HEADER + row * (height * scale + panel.bars + GAP)
                _draw_tile(canvas, x, y, panel.images[index], scale)
                if panel.labels is not None:
                    box = (x, y + height * scale + 4, x + width * scale - 1, y + height * scale + BARS - 4)
                    _draw_bars(draw, box, panel.labels[index], label, np.abs(panel.labels).max())
    return canvas


def _layout(contents: SheetContents, width: int, height: int) -> tuple[list[Panel], tuple[int, int]]:
    """Return where the panels of tiles of `width` by `height` go, and the size of the sheet.

    Where that makes the sheet less tall than wide, the learned panel goes below the starts, else to their right.
    """
    counts = np.bincount(contents.class_ids, minlength=len(contents.class_names))
    panel_width = min(CLASSES_ABREAST, len(counts)) * (width + GAP) - GAP
    aside = 2 * min(ROWS, int(counts.max())) * (height + GAP) > panel_width
    panels, top = [], MARGIN + TITLE
    for start in range(0, len(counts), CLASSES_ABREAST):
        group = range(start, min(start + CLASSES_ABREAST, len(counts)))
        rows = min(ROWS, int(counts[group.start : group.stop].max()))
        left = MARGIN
        if contents.starts is not None:
            first = Panel(left, top, "start", contents.starts, group, None)
            panels.append(first)
            if aside:
                left += panel_width + 2 * MARGIN
            else:
                top += _panel_height(first, rows, height)
        name = contents.name or ("real" if contents.starts is None else "learned")
        panels.append(Panel(left, top, name, contents.learned, group, contents.labels))
        top += _panel_height(panels[-1], rows, height)
    full_width = max(panels[-1].left + panel_width, MARGIN + math.ceil(_font(22).getlength(contents.title)))
    return panels, (full_width + MARGIN, top + MARGIN - GAP)


def _panel_height(panel: Panel, rows: int, height: int) -> int:
    return TITLE + HEADER + rows * (height + panel.bars + GAP)


def _draw_tile(canvas: Image.Image, x: int, y: int, pixels: np.ndarray, scale: int) -> None:
    height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
    picture = Image.fromarray(displayed(pixels)).resize((width, height), Image.Resampling.NEAREST)
    canvas.paste(picture, (x, y))
    ImageDraw.Draw(canvas).rectangle((x - 1, y - 1, x + width, y + height), outline=FRAME)


def _draw_bars(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], label: np.ndarray, own: int, scale: float
) -> None:
    """One bar a class in `box`, up from the line of 0 or down from it; `scale` takes half the height."""
    left, top, right, bottom = box
    middle, half = (top + bottom) // 2, (bottom - top) / 2
    edges = np.round(np.linspace(left, right + 1, len(label) + 1)).astype(int)
    gap = int(edges[1] - edges[0] > 4)
    for index, value in enumerate(label):
        end = middle - round(half * value / scale) if scale > 0 else middle
        x = (int(edges[index]), max(int(edges[index]), int(edges[index + 1]) - 1 - gap))
        draw.rectangle((x[0], min(middle, end), x[1], max(middle, end)), fill=INK if index == own else FRAME)
    draw.line((left, middle, right, middle), fill=FAINT)


def _font(size: int) -> Font:
    # The font that comes with Pillow: the same picture on every machine.
    return ImageFont.load_default(size)


def _shortened(text: str, font: Font, width: float) -> str:
    """Return the text on one line, cut with an ellipsis if it is wider than `width` pixels."""
    text = " ".join(text[:MOST_LETTERS].split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
