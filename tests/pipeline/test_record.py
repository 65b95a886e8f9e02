"""Decoding of one record."""

import numpy as np
import pytest

from pipeline.record import bad, decode
from tests.helpers.tiny_tfds import SHAPE, picture


def test_a_lossless_picture_is_its_pixels():
    pixels = np.random.default_rng(3).integers(0, 256, SHAPE, dtype=np.uint8)
    assert np.array_equal(decode(picture(3, "PNG"), SHAPE), pixels)


def test_a_grey_picture_gets_its_channel_axis():
    assert decode(picture(0, "PNG", (6, 5, 1)), (6, 5, 1)).shape == (6, 5, 1)


def test_a_grey_picture_in_a_colour_set_is_grey_in_colour():
    grey = picture(0, "PNG", (6, 5, 1))
    assert np.array_equal(decode(grey, SHAPE), np.repeat(decode(grey, (6, 5, 1)), 3, axis=2))


def test_an_array_passes_through():
    array = np.arange(90, dtype=np.uint8).reshape(SHAPE)
    assert np.array_equal(decode(array, SHAPE), array)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (picture(0)[:300], "cannot be decoded: .*[Tt]runcated"),
        (picture(0, "PNG")[:60], "cannot be decoded"),
        (b"no picture", "is not in a format that Pillow knows"),
        (b"", "is not in a format that Pillow knows"),
        (picture(0, shape=(4, 5, 3)), r"shape is \(4, 5, 3\), expected \(6, 5, 3\)"),
        (picture(0, "TIFF", (6, 5, 4)), "colour mode is RGBA, expected one of RGB, L, P"),
        (np.zeros(SHAPE, np.float32), "pixels are float32, expected uint8"),
    ],
    ids=["cut JPEG", "cut PNG", "text", "nothing", "other size", "other channels", "floats"],
)
def test_a_bad_picture_says_why(image, reason):
    with pytest.raises(ValueError, match=reason):
        decode(image, SHAPE)


def test_a_bad_record_names_its_bytes():
    assert bad("k", "r", b"abc").sha256.startswith("ba7816bf")
    assert bad("k", "r", np.frombuffer(b"abc", np.uint8)).sha256.startswith("ba7816bf")
