"""Changes of FRePo (2206.00719): `get_aug_by_name` of yongchao97/FRePo, lib/dataset/augmax/export.py lines 21 to 39.

What moves pixels is sampled between neighbours; beyond the border the pixel at the border goes on (geometric.py there,
line 121).
"""

import math
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.algorithms.resampling import resampled, rotation

# Brightness is added; contrast and saturation are factors up to exp of it.
_COLOR = 0.25
_ZOOM = (0.8, 1.25)
# Parts of a side.
_TRANSLATE = 0.125
_CUTOUT = 4
_DEGREES = 15


def _color(key: Array, image: Array, mean: Array) -> Array:
    """Brightness, contrast, saturation, in this order (imagelevel.py lines 239 to 264)."""
    b, c, s = jax.random.uniform(key, (3,), image.dtype, -_COLOR, _COLOR)
    image = image + b
    whole = image.mean()
    image = whole + jnp.exp(c) * (image - whole)
    grey = image.mean(2, keepdims=True)
    return grey + jnp.exp(s) * (image - grey)


def _crop(key: Array, image: Array, mean: Array) -> Array:
    """Zoom by 0.8 to 1.25, at a centre that is drawn (geometric.py lines 533 to 559)."""
    first, second = jax.random.split(key)
    zoom = jnp.exp(jax.random.uniform(first, (), image.dtype, math.log(_ZOOM[0]), math.log(_ZOOM[1])))
    sides = jnp.array(image.shape[:2], image.dtype)
    most = jnp.abs(sides * zoom - sides) / 2
    centre = jax.random.uniform(second, (2,), image.dtype, -most, most)
    return resampled(image, jnp.eye(2, dtype=image.dtype) / zoom, centre / zoom, mode="nearest")


def _translate(key: Array, image: Array, mean: Array) -> Array:
    """Shift by parts of pixels (geometric.py lines 349 to 366)."""
    most = _TRANSLATE * jnp.array(image.shape[:2], image.dtype)
    return resampled(image, jnp.eye(2), -jax.random.uniform(key, (2,), image.dtype, -most, most), mode="nearest")


def _cutout(key: Array, image: Array, mean: Array) -> Array:
    """Set a square of a quarter of the height, wholly inside, to zero (imagelevel.py lines 189 to 196)."""
    side = image.shape[0] // _CUTOUT
    starts = jax.random.randint(key, (2,), 0, jnp.array(image.shape[:2]) - side + 1)
    hole = jnp.zeros((side, side, image.shape[2]), image.dtype)
    return lax.dynamic_update_slice(image, hole, (*starts, jnp.zeros_like(starts[0])))


def _flip(key: Array, image: Array, mean: Array) -> Array:
    return jnp.where(jax.random.bernoulli(key), image[:, ::-1], image)


def _rotate(key: Array, image: Array, mean: Array) -> Array:
    most = math.radians(_DEGREES)
    return resampled(image, rotation(jax.random.uniform(key, (), image.dtype, -most, most)), mode="nearest")


CHANGES = MappingProxyType(
    {
        "flip": _flip,
        "color": _color,
        "crop": _crop,
        "rotate": _rotate,
        "translate": _translate,
        "cutout": _cutout,
    }
)
