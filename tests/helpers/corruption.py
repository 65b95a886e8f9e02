"""A thousand ways to break a picture, each with what a reader may still make of it."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

SHAPE = (16, 16, 3)


class Broken(NamedTuple):
    """A broken file.

    how: what was done to it
    content: the bytes
    pixels: uint8 [16, 16, 3] what the bytes truly say, where that is a picture of this shape; None where it is not
    """

    how: str
    content: bytes
    pixels: np.ndarray | None


def encode(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    """Encodes uint8 [h, w, c]."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(buffer, kind, **options)
    return buffer.getvalue()


def smooth(rng: np.random.Generator, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """A picture like a photograph: neighbours are alike."""
    noise = np.cumsum(np.cumsum(rng.normal(size=shape), axis=0), axis=1)
    return np.clip(noise * 12 + rng.uniform(60, 200), 0, 255).astype(np.uint8)


def broken(count: int, seed: int = 0) -> Iterator[Broken]:
    """`count` broken files, of each kind in turn."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield kind(rng, "PNG" if number // len(KINDS) % 2 else "JPEG")


def _truncated(rng: np.random.Generator, kind: str) -> Broken:
    whole = encode(pixels := smooth(rng), kind)
    # The last bytes of a JPEG may hold no pixel: what is decoded must then be the picture.
    cut = whole[: rng.integers(1, len(whole))]
    return Broken(f"truncated {kind}", cut, pixels if kind == "PNG" else _decoded(whole))


def _flipped(rng: np.random.Generator, kind: str) -> Broken:
    whole = bytearray(encode(smooth(rng), kind))
    original = _decoded(bytes(whole))
    for place in rng.integers(0, len(whole), rng.integers(1, 4)):
        whole[place] ^= 1 << rng.integers(8)
    return Broken(f"bit-flipped {kind}", bytes(whole), original)


def _zeroed(rng: np.random.Generator, kind: str) -> Broken:
    whole = encode(smooth(rng), kind)
    original = _decoded(whole)
    start = rng.integers(0, len(whole) - 1)
    stop = rng.integers(start + 1, len(whole) + 1)
    return Broken(f"zeroed {kind}", whole[:start] + bytes(stop - start) + whole[stop:], original)


def _empty(rng: np.random.Generator, kind: str) -> Broken:
    return Broken("zero bytes", bytes(rng.integers(0, 3) * 500), None)


def _other_format(rng: np.random.Generator, kind: str) -> Broken:
    pixels = smooth(rng)
    choice = rng.integers(5)
    if choice == 0:
        return Broken("wrong format: text", rng.bytes(400), None)
    if choice == 1:
        return Broken("wrong format: PDF", encode(pixels, "PDF"), None)
    name = ("GIF", "BMP", "TIFF")[choice - 2]
    content = encode(pixels, name)
    return Broken(f"wrong format: {name}", content, _decoded(content))


def _other_size(rng: np.random.Generator, kind: str) -> Broken:
    side = int(rng.choice([1, 8, 15, 17, 32, 100]))
    return Broken(f"wrong size {kind}", encode(smooth(rng, (side, 16, 3)), kind), None)


def _sixteen_bits(rng: np.random.Generator, kind: str) -> Broken:
    color = int(rng.choice([0, 2, 6]))
    channels = {0: 1, 2: 3, 6: 4}[color]

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + rng.bytes(16 * channels * 2) for _ in range(16))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, color, 0, 0, 0))
    body = head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return Broken(f"16-bit PNG, colour type {color}", b"\x89PNG\r\n\x1a\n" + body, None)


def _palette(rng: np.random.Generator, kind: str) -> Broken:
    indexed = Image.fromarray(smooth(rng)).quantize(16)
    transparent = bool(rng.integers(2))
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", **({"transparency": 3} if transparent else {}))
    pixels = None if transparent else np.asarray(indexed.convert("RGB"))
    return Broken(f"palette{' with transparency' * transparent}", buffer.getvalue(), pixels)


def _cmyk(rng: np.random.Generator, kind: str) -> Broken:
    buffer = io.BytesIO()
    Image.fromarray(smooth(rng)).convert("CMYK").save(buffer, "JPEG" if rng.integers(2) else "TIFF")
    return Broken("CMYK", buffer.getvalue(), None)


def _decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


KINDS: tuple[Callable[[np.random.Generator, str], Broken], ...] = (
    _truncated,
    _flipped,
    _zeroed,
    _empty,
    _other_format,
    _other_size,
    _sixteen_bits,
    _palette,
    _cmyk,
)
