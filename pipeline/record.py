"""`Record`: one example as a source gives it, and its decoding."""

import hashlib
import io
import struct
import zlib
from typing import NamedTuple

import numpy as np

from pipeline.errors import first_line

# Pillow modes that hold the same picture with that many channels. CMYK or 16 bits would need a choice: refused.
_MODES = {1: ("L", "1"), 3: ("RGB", "L", "P"), 4: ("RGBA",)}
_TARGET = {1: "L", 3: "RGB", 4: "RGBA"}


class Record(NamedTuple):
    """One example, not yet decoded.

    key: stable name of the example, the same on every run, unique in the source
    image: encoded picture (PNG, JPEG, ...), or uint8 [h, w, c]
    label: class index
    """

    key: str
    image: bytes | np.ndarray
    label: int


class BadRecord(NamedTuple):
    """One example that cannot be used: a line of dead_letter.jsonl.

    key: stable name of the example
    reason: what is wrong with it
    sha256: hex digest of the bytes found
    """

    key: str
    reason: str
    sha256: str


def bad(key: str, reason: str, content: bytes | np.ndarray) -> BadRecord:
    """A `BadRecord` with the digest of `content`."""
    raw = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
    return BadRecord(key, reason, hashlib.sha256(raw).hexdigest())


def decode(image: bytes | np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The picture as uint8 [h, w, c].

    JPEG goes through Pillow's accurate inverse DCT; TensorFlow's fast one shifts red and blue by a grey level.

    Raises:
      ValueError: with the reason, when it cannot be decoded whole or is not of `shape`.
    """
    array = _decode_bytes(image, shape[2]) if isinstance(image, bytes) else np.asarray(image)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.dtype != np.uint8:
        raise ValueError(f"pixels are {array.dtype}, expected uint8")
    if array.shape != shape:
        raise ValueError(f"shape is {array.shape}, expected {shape}")
    return array


def _decode_bytes(encoded: bytes, channels: int) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            if picture.mode not in _MODES[channels]:
                raise ValueError(f"colour mode is {picture.mode}, expected one of {', '.join(_MODES[channels])}")
            return np.asarray(picture.convert(_TARGET[channels]))
    except UnidentifiedImageError as error:
        raise ValueError("is not in a format that Pillow knows") from error
    # All else that Pillow is seen to raise on broken files of the formats it knows.
    except (OSError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded: {first_line(error)}") from error
