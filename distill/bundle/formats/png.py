"""One PNG of one image."""

import io

import numpy as np
from PIL import Image

from kerneldistill.errors import UserError
from kerneldistill.pipeline.sources.image_decoding import decode
from kerneldistill.pipeline.untrusted.limits import MAX_SIDE

_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


def png(image: np.ndarray) -> bytes:
    """Return uint8 [h, w, c] with 1, 3 or 4 channels as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()


def pixels(content: bytes, name: str) -> np.ndarray:
    """Read a stranger's PNG as uint8 [h, w, c]: check its size before its content, and its checksums.

    Raises:
      UserError: it is no PNG of 8 bits in grey, RGB or RGBA, too large, or damaged.
    """
    height, width = (int.from_bytes(content[place : place + 4]) for place in (20, 16))
    if max(height, width) > MAX_SIDE:
        raise UserError(f"{name} is {width}x{height}, allowed are up to {MAX_SIDE} pixels a side")
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        size, mode = picture.size, picture.mode
    if mode not in _CHANNELS:
        raise UserError(f"{name} is of mode {mode}, allowed are {', '.join(_CHANNELS)}")
    try:
        return decode(content, (size[1], size[0], _CHANNELS[mode]))
    except ValueError as error:
        raise UserError(f"{name} is damaged: its picture {error}") from error
