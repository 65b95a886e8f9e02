"""Sample images at moved pixels."""

from typing import Literal

import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.ndimage import map_coordinates


def rotation(angle: Array) -> Array:
    """The matrix [2, 2] that turns (y, x) by `angle`, in radians."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([jnp.stack([cos, -sin]), jnp.stack([sin, cos])])


def resampled(
    image: Array, matrix: Array, shift: Array | float = 0.0, mode: Literal["constant", "nearest"] = "constant"
) -> Array:
    """Sample the image [h, w, c] at matrix (p - centre) + shift + centre for each pixel p: linear between pixels.

    Args:
      image: floating
      matrix: [2, 2], of (y, x)
      shift: [2], in pixels
      mode: what is outside: zeros, or the nearest pixel inside
    """
    height, width, channels = image.shape
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2], image.dtype)[:, None, None]
    grid = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")).astype(image.dtype)
    moved = jnp.einsum("ij,jhw->ihw", matrix.astype(image.dtype), grid - centre, precision=lax.Precision.HIGHEST)
    y, x = moved + jnp.broadcast_to(jnp.asarray(shift, image.dtype), (2,))[:, None, None] + centre
    return jnp.stack([map_coordinates(image[:, :, c], [y, x], order=1, mode=mode) for c in range(channels)], axis=2)
