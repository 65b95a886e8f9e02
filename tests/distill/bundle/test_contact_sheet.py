"""The contact sheet shows every image where its class says, enlarged without smoothing."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kerneldistill.bundle.contact_sheet import (
    BARS,
    CLASSES_ABREAST,
    FRAME,
    INK,
    ROWS,
    SheetContents,
    displayed,
    draw_sheet,
)

TITLE = "a title that is wider than an image"


def make_contents(num_classes: int, per_class: int, channels: int = 1, size: int = 8) -> SheetContents:
    """Images of one grey level each, which tells class and row: level = 1 + index."""
    ids = np.tile(np.arange(num_classes), per_class)
    learned = np.broadcast_to(1.0 + np.arange(len(ids))[:, None, None, None], (len(ids), size, size, channels))
    return SheetContents(learned, 255.0 - learned, ids, [f"class {label}" for label in range(num_classes)], TITLE)


def solid_tiles(sheet: Image.Image, level: int, edge: int) -> int:
    """How many separate squares of one grey level, `edge` pixels wide, the sheet has."""
    mask = (np.asarray(sheet) == level).all(axis=-1).astype(int)
    sums = np.pad(mask.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    full = sums[edge:, edge:] - sums[:-edge, edge:] - sums[edge:, :-edge] + sums[:-edge, :-edge]
    return int((full == edge * edge).sum())


@pytest.mark.parametrize(("num_classes", "per_class"), [(1, 1), (3, 2), (10, 1), (4, 6), (13, 1)])
def test_every_image_is_on_the_sheet_once(num_classes: int, per_class: int) -> None:
    contents = make_contents(num_classes, per_class)
    sheet = draw_sheet(contents)
    for index in range(len(contents.class_ids)):
        assert solid_tiles(sheet, 1 + index, 96) == 1
        assert solid_tiles(sheet, 254 - index, 96) == 1


def test_only_the_first_images_of_a_crowded_class_are_shown() -> None:
    contents = make_contents(2, ROWS + 3)
    sheet = draw_sheet(contents)
    shown = [solid_tiles(sheet, 1 + index, 96) for index in range(len(contents.class_ids))]
    assert shown == [1] * (2 * ROWS) + [0] * 6


def test_images_that_were_never_moved_are_shown_once() -> None:
    contents = make_contents(3, 1)
    alone = draw_sheet(replace(contents, starts=None))
    assert solid_tiles(alone, 1, 96) == 1
    assert solid_tiles(alone, 254, 96) == 0
    assert alone.height < draw_sheet(contents).height


def test_the_margins_are_clean() -> None:
    for num_classes, per_class in ((1, 1), (3, 1), (CLASSES_ABREAST + 1, 6)):
        pixels = np.asarray(draw_sheet(make_contents(num_classes, per_class)))
        for edge in (pixels[:30], pixels[-30:], pixels[:, :30], pixels[:, -30:]):
            assert (edge == 255).all()


def test_pixels_in_range_are_shown_as_they_are() -> None:
    grey = np.arange(64.0).reshape(8, 8, 1) * 4
    np.testing.assert_array_equal(displayed(grey), np.repeat(grey, 3, axis=-1).astype(np.uint8))
    colour = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(float)
    np.testing.assert_array_equal(displayed(colour), colour.astype(np.uint8))


def test_pixels_out_of_range_share_one_scale() -> None:
    wide = np.linspace(-255, 510, 2000).reshape(40, 50, 1)
    shown = displayed(wide)[..., 0].ravel().astype(int)
    assert shown[0] == 0
    assert shown[-1] == 255
    assert (np.diff(shown) >= 0).all()
    assert shown[1000] == pytest.approx(127.5, abs=1)
    outlier = np.full((20, 20, 1), 100.0)
    outlier[0, 0] = 1e6
    assert displayed(outlier)[5, 5, 0] == 100


def test_long_names_are_cut_to_their_column() -> None:
    contents = make_contents(3, 1, size=32, channels=3)
    long = replace(contents, class_names=["a", "very long name of a class " * 3, "c"])
    short = replace(contents, class_names=["a", "", "c"])
    difference = np.argwhere((np.asarray(draw_sheet(long)) != np.asarray(draw_sheet(short))).any(axis=(0, 2)))
    tile, gap, margin = 96, 8, 32
    assert margin + tile <= difference.min()
    assert difference.max() < margin + 2 * (tile + gap)


def test_labels_stand_below_their_images_and_point_up_or_down() -> None:
    contents = make_contents(3, 2)
    labels = np.array([[1, 0, 0], [0, 0.5, 0], [0, 0, -1], [0.25, 0, 0], [-0.5, 0, 0], [0, 0, 0]], float)
    plain, drawn = (np.asarray(draw_sheet(replace(contents, starts=None, labels=y))) for y in (None, labels))
    assert drawn.shape[0] == plain.shape[0] + 2 * BARS
    left, top, step = 32, 32 + 46 + 46 + 30 + 96, 96 + 8

    def bar(row: int, column: int, number: int, colour: tuple[int, int, int]) -> np.ndarray:
        """Rows below an image that bar `number` of its label fills, relative to the line of 0."""
        x, y = left + column * step + number * 32 + 15, top + row * (step + BARS)
        return np.flatnonzero((drawn[y : y + BARS, x] == colour).all(axis=-1)) - BARS // 2

    assert bar(0, 0, 0, INK).min() < -10  # the whole half, upwards
    assert -8 < bar(0, 1, 1, INK).min() <= -5  # half of it
    assert bar(0, 2, 2, INK).max() > 10  # downwards
    assert len(bar(1, 0, 0, INK)) < len(bar(0, 1, 1, INK))
    assert bar(1, 1, 0, FRAME).max() >= 5  # another class than its own, lighter
    assert not len(bar(0, 0, 1, INK))


def test_many_classes_and_labels_of_0_are_drawn() -> None:
    contents = make_contents(13, 1)
    same = draw_sheet(replace(contents, labels=np.zeros((13, 13)))).tobytes()
    assert same == draw_sheet(replace(contents, labels=np.zeros((13, 13)))).tobytes()
    wide = replace(contents, labels=np.random.default_rng(0).normal(size=(13, 300)))
    assert draw_sheet(wide).size == draw_sheet(replace(contents, labels=np.zeros((13, 13)))).size
