"""Augmentations that keep the class of an image: those of DSA (Zhao & Bilen 2021, 2102.08259), in JAX.

Each image has a draw of its own, or all of a batch share one ("siamese"). All are differentiable in the pixels.
Strengths are in units of channel-standardised pixels, as DSA's are.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.algorithms.resampling import resampled, rotation
from kerneldistill.config.schema import AugmentationName, StrengthConfig

DSA = StrengthConfig()


@partial(jax.jit, static_argnames=("names", "strengths", "shared", "single", "number"))
def augment(
    key: Array,
    images: Array,
    names: tuple[AugmentationName, ...],
    strengths: StrengthConfig = DSA,
    *,
    shared: bool = False,
    single: bool = False,
    number: int = 0,
    first: int | Array = 0,
) -> Array:
    """Augment `images` [n, h, w, c]; the same arguments give the same images.

    Example:
      augment(jax.random.key(0), images, ("color", "crop", "cutout", "flip", "scale", "rotate"), shared=True)

    Args:
      key: of the draw.
      images: floating, channel-standardised.
      names: what is done, in this order.
      strengths: of each.
      shared: one draw for all images, instead of one for each.
      single: only one of the names, drawn for the batch (DSA's mode "S"; without it, mode "M").
      number: RandAugment's n (Cubuk et al. 2019, 1909.13719): so many of the names, each drawn anew for each image.
      first: number of the first image: a batch given in parts under one key, each with its `first`, is augmented as
        if given whole.

    Returns:
      [n, h, w, c] of the same dtype.

    Raises:
      ValueError: an unknown name.
    """
    if unknown := sorted(set(names) - set(AUGMENTATIONS)):
        raise ValueError(f"unknown augmentation {unknown[0]!r}; known: {', '.join(AUGMENTATIONS)}")
    if not names:
        return images
    chooser, key = jax.random.split(key)
    numbers = jnp.uint32(first) + jnp.arange(len(images), dtype=jnp.uint32)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.zeros_like(numbers) if shared else numbers)
    own = [partial(AUGMENTATIONS[name], strengths) for name in names]
    changes = [jax.vmap(change) for change in own]
    if single:
        return lax.switch(jax.random.randint(chooser, (), 0, len(changes)), changes, keys, images)
    for i in range(number):
        draws = jax.vmap(jax.random.fold_in, (0, None))(keys, i)
        images = jax.vmap(partial(drawn, own))(draws, images)
    if number:
        return images
    for i, change in enumerate(changes):
        images = change(jax.vmap(jax.random.fold_in, (0, None))(keys, i), images)
    return images


def drawn(changes: Sequence[Callable[[Array, Array], Array]], key: Array, image: Array) -> Array:
    """Make one of some changes of an image, drawn; a change is a function of a key and the image."""
    chooser, own = jax.random.split(key)
    return lax.switch(jax.random.randint(chooser, (), 0, len(changes)), changes, own, image)


def _color(strengths: StrengthConfig, key: Array, image: Array) -> Array:
    """Brightness, saturation, contrast: x + b;  x_gray + f (x - x_gray);  mean + g (x - mean)."""
    b, f, g = jax.random.uniform(key, (3,), image.dtype)
    image = image + (b - 0.5) * strengths.brightness * strengths.magnitude
    gray = jnp.mean(image, axis=2, keepdims=True)
    image = gray + _towards_one(strengths, f * strengths.saturation) * (image - gray)
    mean = jnp.mean(image)
    return mean + _towards_one(strengths, g + strengths.contrast) * (image - mean)


def _towards_one(strengths: StrengthConfig, factor: Array) -> Array:
    return factor if strengths.magnitude == 1 else 1 + strengths.magnitude * (factor - 1)


def _crop(strengths: StrengthConfig, key: Array, image: Array) -> Array:
    """Shift by whole pixels; zeros come in."""
    most = tuple(_part(size, strengths.crop * strengths.magnitude) for size in image.shape[:2])
    starts = jax.random.randint(key, (2,), 0, 2 * jnp.array(most) + 1)
    padded = jnp.pad(image, (*((shift, shift) for shift in most), (0, 0)))
    return lax.dynamic_slice(padded, (*starts, jnp.zeros_like(starts[0])), image.shape)


def _cutout(strengths: StrengthConfig, key: Array, image: Array) -> Array:
    """Set a rectangle, centred anywhere in the image and cut off at its borders, to zero."""
    inside = []
    for size, own in zip(image.shape[:2], jax.random.split(key), strict=True):
        side = _part(size, strengths.cutout * strengths.magnitude)
        start = jax.random.randint(own, (), 0, size + 1 - side % 2) - side // 2
        pixels = jnp.arange(size)
        inside.append((pixels >= start) & (pixels < start + side))
    return jnp.where((inside[0][:, None] & inside[1][None])[:, :, None], jnp.zeros_like(image), image)


def _flip(strengths: StrengthConfig, key: Array, image: Array) -> Array:
    """Mirror left to right."""
    return jnp.where(jax.random.bernoulli(key, strengths.flip * strengths.magnitude), image[:, ::-1], image)


def _rotate(strengths: StrengthConfig, key: Array, image: Array) -> Array:
    """Turn around the centre."""
    most = strengths.rotate * strengths.magnitude * jnp.pi / 180
    return resampled(image, rotation(jax.random.uniform(key, (), image.dtype, -most, most)))


def _scale(strengths: StrengthConfig, key: Array, image: Array) -> Array:
    """Stretch height and width around the centre."""
    most = 1 + (strengths.scale - 1) * strengths.magnitude
    return resampled(image, jnp.diag(jax.random.uniform(key, (2,), image.dtype, 1 / most, most)))


# By DSA's names.
AUGMENTATIONS: MappingProxyType[str, Callable[[StrengthConfig, Array, Array], Array]] = MappingProxyType(
    {"color": _color, "crop": _crop, "cutout": _cutout, "flip": _flip, "rotate": _rotate, "scale": _scale}
)


def _part(size: int, part: float) -> int:
    """A part of a side in whole pixels, rounded as DSA does."""
    return int(size * part + 0.5)
