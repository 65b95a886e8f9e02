"""Changes of Dataset Condensation (2006.05929): `augment` of VICO-UoE/DatasetCondensation, utils.py lines 365 to 424.

Their strengths are those of `get_daparam` there, lines 432 to 437. A rotation there is interpolated by cubic splines;
here, as jax has none, between neighbours.
"""

from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.algorithms.resampling import resampled, rotation

# Pixels that are padded on each side.
_CROP = 4
# Most that a side is stretched, as a part of it.
_SCALE = 0.2
# Degrees, whole ones, to either side.
_ROTATE = 45
_NOISE = 0.001


def _crop(key: Array, image: Array, mean: Array) -> Array:
    """Pad by the mean, and cut out: starts 0 to 7."""
    padded = jnp.pad(image - mean, ((_CROP, _CROP), (_CROP, _CROP), (0, 0))) + mean
    row, column = jax.random.randint(key, (2,), 0, 2 * _CROP)
    return lax.dynamic_slice(padded, (row, column, jnp.zeros_like(row)), image.shape)


def _scale(key: Array, image: Array, mean: Array) -> Array:
    """Stretch each side to a whole number of pixels, by the nearest pixel, in the middle of zeros or cut there."""
    parts = jax.random.uniform(key, (2,), image.dtype, minval=1 - _SCALE, maxval=1 + _SCALE)
    # Both are parts of the height, as there.
    sides = (parts * image.shape[0]).astype(jnp.int32)
    canvas = jnp.maximum(sides.max(), max(image.shape[:2]))
    inside = []
    for axis, (size, side) in enumerate(zip(image.shape[:2], sides, strict=True)):
        place = jnp.arange(size, dtype=jnp.int32) + (canvas - size) // 2 - (canvas - side) // 2
        image = jnp.take(image, jnp.clip(place * size // side, 0, size - 1), axis=axis)
        inside.append((place >= 0) & (place < side))
    return jnp.where((inside[0][:, None] & inside[1][None])[:, :, None], image, jnp.zeros_like(image))


def _rotate(key: Array, image: Array, mean: Array) -> Array:
    """Turn around the centre; the mean comes in."""
    degrees = jax.random.randint(key, (), -_ROTATE, _ROTATE).astype(image.dtype)
    return resampled(image - mean.mean(), rotation(jnp.radians(degrees))) + mean.mean()


def _noise(key: Array, image: Array, mean: Array) -> Array:
    return image + _NOISE * jax.random.normal(key, image.shape, image.dtype)


CHANGES = MappingProxyType({"crop": _crop, "scale": _scale, "rotate": _rotate, "noise": _noise})
