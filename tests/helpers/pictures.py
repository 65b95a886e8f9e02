"""Pictures of every format that is read, and a thousand ways to break one: its bits, its length, its headers."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

KINDS = (
    "PNG",
    "PNG P",
    "PNG 1",
    "PNG LA",
    "JPEG",
    "JPEG EXIF",
    "GIF",
    "BMP",
    "WEBP",
    "WEBP LOSSLESS",
    "TIFF",
    "TIFF LZW",
)
SIZE = (12, 10)


def whole(kind: str) -> bytes:
    """A picture of 12x10 of a format."""
    rng = np.random.default_rng(len(kind))
    pixels = np.cumsum(rng.integers(-9, 10, (SIZE[1], SIZE[0], 3)), axis=0).clip(0, 255).astype(np.uint8)
    picture, options = Image.fromarray(pixels), {}
    name, _, extra = kind.partition(" ")
    match extra:
        case "P" | "1" | "LA":
            picture = picture.convert(extra)
        case "EXIF":
            exif = Image.Exif()
            exif[0x0112], exif[0x010E] = 6, "a text"
            options = {"exif": exif.tobytes()}
        case "LOSSLESS":
            options = {"lossless": True}
        case "LZW":
            options = {"compression": "tiff_lzw"}
    buffer = io.BytesIO()
    picture.save(buffer, name, **options)
    return buffer.getvalue()


def _flip(rng: np.random.Generator, content: bytearray) -> bytearray:
    for place in rng.integers(0, len(content), rng.integers(1, 5)):
        content[place] ^= 1 << rng.integers(8)
    return content


def _flip_head(rng: np.random.Generator, content: bytearray) -> bytearray:
    for place in rng.integers(0, min(60, len(content)), rng.integers(1, 4)):
        content[place] = rng.integers(256)
    return content


def _number(rng: np.random.Generator, content: bytearray) -> bytearray:
    """Four bytes that a header may hold as a size, an offset or a count."""
    place = int(rng.integers(0, max(1, len(content) - 4)))
    value = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0xFFFF, len(content), 13_000]))
    content[place : place + 4] = struct.pack(str(rng.choice(["<I", ">I"])), value)
    return content


def _cut(rng: np.random.Generator, content: bytearray) -> bytearray:
    return content[: int(rng.integers(0, len(content)))]


def _repeat(rng: np.random.Generator, content: bytearray) -> bytearray:
    start, stop = sorted(int(each) for each in rng.integers(0, len(content), 2))
    return content[:stop] + content[start:stop] + content[stop:]


def _drop(rng: np.random.Generator, content: bytearray) -> bytearray:
    start, stop = sorted(int(each) for each in rng.integers(0, len(content), 2))
    return content[:start] + content[stop:]


DAMAGES: tuple[Callable[[np.random.Generator, bytearray], bytearray], ...] = (
    _flip, _flip_head, _number, _cut, _repeat, _drop,
)  # fmt: skip


def mutants(kind: str, count: int, seed: int) -> Iterator[bytes]:
    """`count` broken pictures of a format. The checksums of a PNG are made right for every second one."""
    rng, original = np.random.default_rng([seed, len(kind)]), whole(kind)
    for number in range(count):
        content = bytes(DAMAGES[number % len(DAMAGES)](rng, bytearray(original)))
        yield resealed(content) if kind.startswith("PNG") and number // len(DAMAGES) % 2 else content


def resealed(content: bytes) -> bytes:
    """A PNG with the checksum of each chunk made right, as far as its chunks go."""
    place, made = 8, bytearray(content)
    while place + 12 <= len(made):
        end = place + 8 + int.from_bytes(made[place : place + 4])
        if end + 4 > len(made):
            break
        made[end : end + 4] = zlib.crc32(made[place + 4 : end]).to_bytes(4)
        place = end + 4
    return bytes(made)


def bomb(side: int) -> bytes:
    """A PNG of `side` x `side` black pixels, some thousandth of their bytes long."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + 3 * side)) for _ in range(side)) + packer.flush()
    head = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
