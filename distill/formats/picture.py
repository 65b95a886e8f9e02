"""One PNG of one image."""

import io

import numpy as np
from PIL import Image

from distill.errors import UserError
from distill.formats.limits import MAX_SIDE


def png(image: np.ndarray) -> bytes:
    """uint8 [h, w, c] with 1, 3 or 4 channels as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()


def pixels(content: bytes, name: str) -> np.ndarray:
    """uint8 [h, w, c] of a PNG of a stranger; its size is looked at before its content.

    Raises:
      UserError: it is no PNG of 8 bits in grey, RGB or RGBA, or too large.
    """
    with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
        if max(picture.size) > MAX_SIDE or picture.mode not in ("L", "RGB", "RGBA"):
            shape = f"{picture.mode} of {picture.size[0]}x{picture.size[1]}"
            raise UserError(f"{name} is {shape}, allowed are L, RGB and RGBA up to {MAX_SIDE} pixels a side")
        array = np.asarray(picture)
    return array[..., None] if array.ndim == 2 else array
