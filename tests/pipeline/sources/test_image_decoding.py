"""Decode one picture, or refuse it with the reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kerneldistill.pipeline.sources.image_decoding import decode, measure
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
        (b"no picture", "is not in a format that is read"),
        (b"", "is not in a format that is read"),
        (picture(0, shape=(4, 5, 3)), r"shape is \(4, 5, 3\), expected \(6, 5, 3\)"),
        (picture(0, "TIFF", (6, 5, 4)), "colour mode is RGBA, expected one of RGB, L, P"),
        (np.zeros(SHAPE, np.float32), "pixels are float32, expected uint8"),
    ],
    ids=["cut JPEG", "cut PNG", "text", "nothing", "other size", "other channels", "floats"],
)
def test_a_bad_picture_says_why(image, reason):
    with pytest.raises(ValueError, match=reason):
        decode(image, SHAPE)


def _encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def _png16(channels: int) -> bytes:
    """Make a PNG of 5x6 with 16 bits a channel, which Pillow cannot write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 5, 6, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + _pixels(5 * channels * 2).tobytes() for _ in range(6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_refused(channels):
    with pytest.raises(ValueError, match="has 16 bits per channel, expected 8"):
        decode(_png16(channels), (6, 5, channels))


def test_every_flipped_bit_of_a_png_is_found():
    encoded = picture(3, "PNG")
    for place in range(len(encoded)):
        damaged = bytearray(encoded)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"cannot be decoded|is not in a format"):
            decode(bytes(damaged), SHAPE)


def test_every_cut_of_a_png_is_found():
    encoded = picture(3, "PNG")
    for length in range(len(encoded)):
        with pytest.raises(ValueError, match=r"cannot be decoded|is not in a format"):
            decode(encoded[:length], SHAPE)


def test_a_palette_is_its_colours():
    indexed = Image.fromarray(_pixels(6, 5, 3)).quantize(7)
    found = decode(_encoded(indexed, "PNG"), SHAPE)
    assert np.array_equal(found, np.asarray(indexed.convert("RGB")))
    assert len(np.unique(found.reshape(-1, 3), axis=0)) == 7


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparency_is_not_dropped(mode):
    image = Image.fromarray(_pixels(6, 5, 3)).convert(mode)
    transparent = _encoded(image, "PNG", transparency=(1, 2, 3) if mode == "RGB" else 1)
    with pytest.raises(ValueError, match="has transparent pixels, expected 3 channels"):
        decode(transparent, SHAPE)


def test_several_frames_are_refused():
    frames = [Image.fromarray(_pixels(6, 5)), Image.fromarray(_pixels(6, 5) // 2)]
    with pytest.raises(ValueError, match="has 2 frames, expected 1"):
        decode(_encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), (6, 5, 1))


def test_cmyk_is_refused():
    with pytest.raises(ValueError, match="colour mode is CMYK"):
        decode(_encoded(Image.fromarray(_pixels(6, 5, 3)).convert("CMYK"), "JPEG"), SHAPE)


def test_a_photograph_is_turned_as_its_tag_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = Image.fromarray(_pixels(5, 6, 3))
    turned = _encoded(upright, "JPEG", exif=exif, quality=95)
    plain = decode(_encoded(upright, "JPEG", quality=95), (5, 6, 3))
    assert np.array_equal(decode(turned, SHAPE), np.rot90(plain, -1))
    assert measure(turned) == SHAPE


@pytest.mark.parametrize("method", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("encoded", [True, False])
def test_resizing_is_that_of_pillow(method, encoded):
    pixels = _pixels(12, 10, 3)
    given = _encoded(Image.fromarray(pixels), "PNG") if encoded else pixels
    expected = Image.fromarray(pixels).resize((5, 6), Image.Resampling[method.upper()])
    assert np.array_equal(decode(given, SHAPE, method), np.asarray(expected))


def test_the_box_of_a_doubled_picture_is_the_picture():
    pixels = _pixels(*SHAPE)
    assert np.array_equal(decode(pixels.repeat(2, axis=0).repeat(2, axis=1), SHAPE, "box"), pixels)


def test_channels_are_converted_on_request_only():
    colour = _encoded(Image.fromarray(_pixels(*SHAPE)), "PNG")
    with pytest.raises(ValueError, match="colour mode is RGB, expected one of L, 1"):
        decode(colour, (6, 5, 1))
    grey = decode(colour, (6, 5, 1), convert=True)
    assert np.abs(grey[..., 0] - _pixels(*SHAPE) @ [0.299, 0.587, 0.114]).max() <= 1
    opaque = decode(colour, (6, 5, 4), convert=True)
    assert np.array_equal(opaque[..., :3], _pixels(*SHAPE))
    assert (opaque[..., 3] == 255).all()
    with pytest.raises(ValueError, match="colour mode is RGBA"):
        decode(_encoded(Image.fromarray(_pixels(6, 5, 4)), "PNG"), SHAPE, convert=True)
