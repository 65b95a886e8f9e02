"""Decode one picture, strictly: refuse, with the reason, what Pillow would quietly cut, convert or guess.

    16 bits a channel    Pillow keeps the upper eight without a word
    PNG checksums        Pillow does not look at those of the pixels
    transparency         lost when a palette or a transparent colour is turned into RGB
    several frames       Pillow shows the first
    size                 13,000 x 13,000 pixels may be a file of 500 kB, and 2.5 GB while it is decoded
    CMYK                 the colours depend on a profile

JPEG, GIF, BMP, TIFF and WebP files carry no checksum: a flipped bit may decode to another picture. array_record files
and .npz do, and a folder of images can bring a list of digests (see `sources.folder`).
"""

import contextlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from kerneldistill.pipeline.config import Resize
from kerneldistill.pipeline.errors import first_line

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
# Pillow modes that hold the same picture with that many channels, and those that may be converted on request.
_MODES = {1: ("L", "1"), 3: ("RGB", "L", "P"), 4: ("RGBA",)}
_ON_REQUEST = {1: ("RGB",), 3: (), 4: ("RGB", "L", "LA", "P")}
_TARGET = {1: "L", 3: "RGB", 4: "RGBA"}
_PNG = b"\x89PNG\r\n\x1a\n"
# Of a picture: as RGBA 256 MiB, of which a decoder holds two. The largest cameras have 100 million, phones 50.
MAX_PIXELS = 1 << 26
# Python keeps one list of what it warns of for all threads.
_quiet = threading.Lock()


class _RefusedError(ValueError):
    """A reason in the words of this module, complete as it is."""


def decode(
    image: bytes | np.ndarray, shape: tuple[int, int, int], resize: Resize = "refuse", convert: bool = False
) -> np.ndarray:
    """Decode a picture to uint8 [h, w, c].

    JPEG goes through Pillow's accurate inverse DCT; TensorFlow's fast one shifts red and blue by a grey level.
    An EXIF tag that says to turn the picture is obeyed.

    Args:
      image: encoded picture, or uint8 [h, w] or [h, w, c]
      shape: (h, w, c) wanted
      resize: method for pictures of another size, or `refuse`
      convert: whether RGB may become grey, and RGB or grey get an alpha channel

    Raises:
      ValueError: with the reason, when it cannot be decoded whole or is not of `shape`.
    """
    if isinstance(image, bytes):
        array = _decode_bytes(image, shape, resize, convert)
    else:
        array = _of_array(np.asarray(image), shape, resize, convert)
    array = array[:, :, None] if array.ndim == 2 else array
    if array.shape != shape:
        raise ValueError(f"shape is {array.shape}, expected {shape}")
    return array


def measure(encoded: bytes) -> tuple[int, int, int]:
    """Return (h, w, c) of an encoded picture. Raises ValueError as `decode` does."""
    with _loaded(encoded) as picture:
        transparent = "transparency" in picture.info or picture.mode in ("RGBA", "LA")
        channels = 4 if transparent else {"L": 1, "1": 1}.get(picture.mode, 3)
        return picture.height, picture.width, channels


def _decode_bytes(encoded: bytes, shape: tuple[int, int, int], resize: Resize, convert: bool) -> np.ndarray:
    with _loaded(encoded, shape if resize == "refuse" else None) as picture:
        return np.asarray(_fitted(picture, shape, resize, convert))


def _of_array(array: np.ndarray, shape: tuple[int, int, int], resize: Resize, convert: bool) -> np.ndarray:
    from PIL import Image

    if array.dtype != np.uint8:
        raise ValueError(f"pixels are {array.dtype}, expected uint8")
    if array.shape == shape or (resize == "refuse" and not convert):
        return array
    flat = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if flat.ndim != 2 and flat.shape[2:] not in ((3,), (4,)):
        raise ValueError(f"shape is {array.shape}, expected {shape}")
    return np.asarray(_fitted(Image.fromarray(flat), shape, resize, convert))


def _fitted(picture: "Picture", shape: tuple[int, int, int], resize: Resize, convert: bool) -> "Picture":
    """Convert a picture to the channels and, if `resize` is a method, to the size wanted."""
    from PIL import Image

    height, width, channels = shape
    allowed = _MODES[channels] + (_ON_REQUEST[channels] if convert else ())
    if picture.mode not in allowed:
        raise _RefusedError(f"colour mode is {picture.mode}, expected one of {', '.join(allowed)}")
    if channels != 4 and "transparency" in picture.info:
        raise _RefusedError(f"has transparent pixels, expected {channels} channels; channels = 4 keeps them")
    picture = picture.convert(_TARGET[channels])
    if resize != "refuse" and picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling[resize.upper()])
    return picture


@contextlib.contextmanager
def _loaded(encoded: bytes, shape: tuple[int, int, int] | None = None) -> Iterator["Picture"]:
    """Load a whole picture, upright; what goes wrong, in here or inside the block, is a ValueError.

    Pillow fails in many ways on broken files: struct.error, TypeError, SyntaxError, KeyError, ... No list of them is
    whole. So any error is the file's, and so is a lack of memory for what its header promises.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        # Pillow warns of large sizes and odd metadata, for a programmer to read.
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if encoded.startswith(_PNG):
                _check_png(encoded)
            with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
                _check_size(picture, shape)
                _check_depth(picture)
                picture.load()
                upright = ImageOps.exif_transpose(picture) if "exif" in picture.info else picture
                yield upright
    except UnidentifiedImageError as error:
        raise ValueError(f"is not in a format that is read ({', '.join(FORMATS)})") from error
    except _RefusedError:
        raise
    except Exception as error:
        raise ValueError(f"cannot be decoded: {first_line(error)}") from error


def _check_size(picture: "Picture", shape: tuple[int, int, int] | None) -> None:
    """Refuse, before its pixels are unpacked, a picture that is too large, or of another size than `shape`."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _RefusedError(f"is {height} x {width}, expected {MAX_PIXELS:,} pixels at most")
    if shape is not None and shape[:2] not in ((height, width), (width, height)):
        raise _RefusedError(f"shape is {(height, width, len(picture.getbands()))}, expected {shape}")


def _check_depth(picture: "Picture") -> None:
    frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)  # a camera's JPEG with a preview
    if frames != 1:
        raise _RefusedError(f"has {frames} frames, expected 1")
    tiles = getattr(picture, "tile", [])  # of an ImageFile
    raw_modes = [word for tile in tiles for word in (tile.args if isinstance(tile.args, tuple) else (tile.args,))]
    if any(";16" in word for word in (picture.mode, *raw_modes) if isinstance(word, str)):
        raise _RefusedError("has 16 bits per channel, expected 8; convert it")


def _check_png(encoded: bytes) -> None:
    """Check the checksum of every chunk of a PNG file: Pillow skips those of the pixels."""
    place = len(_PNG)
    while True:
        head = encoded[place : place + 8]
        if len(head) < 8:
            raise _RefusedError("cannot be decoded: PNG file is truncated")
        length, kind = struct.unpack(">I4s", head)
        end = place + 12 + length
        if end > len(encoded):
            raise _RefusedError("cannot be decoded: PNG file is truncated")
        if zlib.crc32(memoryview(encoded)[place + 4 : end - 4]) != int.from_bytes(encoded[end - 4 : end]):
            raise _RefusedError(f"cannot be decoded: PNG chunk {kind.decode('ascii', 'replace')} fails its checksum")
        if kind == b"IEND":
            return
        place = end
