"""What an encoder must be, tried on a few made-up images before anything slow starts; and what tells it from others."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.feature_kernel import Encoder

# Two passes over the same images, alone or with others, may round otherwise; batch statistics differ by far more.
_SAME = {np.dtype("float32"): 1e-4, np.dtype("float64"): 1e-8}
# Encoders whose kernels differ by less are one: float32 rounds a network's features to about 1e-6 from one kind of
# device to another, and a step of training changes them by 1e-3 and more.
TOLERANCE = 1e-4


class EncoderError(ValueError):
    """What an encoder does that it may not, in words that follow its name."""


class Identity(NamedTuple):
    """What tells an encoder from others: its own kernel of fixed images, which is all that matters of it.

    A digest of its weights would not see its code, its code may have no weights in reach, and a digest of its outputs
    would change with the last bit that another device or version of jax rounds otherwise. These numbers are compared
    within `TOLERANCE`.

    size: d, the number of features
    kernel: [10] <phi(x), phi(x')> of the pairs of four images
    """

    size: int
    kernel: tuple[float, ...]

    def same(self, other: "Identity") -> bool:
        """Whether both are the same encoder."""
        own, others = np.array(self.kernel), np.array(other.kernel)
        if self.size != other.size or own.shape != others.shape:
            return False
        return bool(np.abs(own - others).max() <= TOLERANCE * max(np.abs(own).max(), np.abs(others).max()))

    def __str__(self) -> str:
        return f"d {self.size}, " + " ".join(f"{value:.4g}" for value in self.kernel[:3])


def probes(image_shape: tuple[int, int, int], dtype: np.dtype) -> np.ndarray:
    """Four images [4, h, w, c] of the scale of whitened ones, always the same: two of noise, two of 4 x 4 patches."""
    height, width, channels = image_shape
    rng = np.random.default_rng(2605)
    noise, patches = rng.standard_normal((2, *image_shape)), rng.standard_normal((2, 4, 4, channels))
    rows, columns = (np.arange(size) * 4 // size for size in (height, width))
    return np.concatenate([noise, patches[:, rows][:, :, columns]]).astype(dtype)


def identity_of(phi: Encoder, image_shape: tuple[int, int, int], dtype: np.dtype) -> Identity:
    """Identify an encoder that `check_encoder` has passed."""
    with jax.default_matmul_precision("highest"):
        values = np.asarray(jax.jit(phi)(jnp.asarray(probes(image_shape, dtype))), np.float64)
    kernel = (values @ values.T)[np.triu_indices(len(values))]
    # As many digits as hold on every device, so that a file of them is short.
    return Identity(values.shape[1], tuple(float(f"{value:.7g}") for value in kernel))


def check_encoder(phi: Encoder, image_shape: tuple[int, int, int], dtype: np.dtype) -> None:
    """Try an encoder on up to four images, forward and backward; compiles it a few times.

    Raises:
      EncoderError: it cannot be traced or differentiated by jax, its result is no [n, d] of floating numbers, not
        finite, another for an image that stands among others, or another each time.
    """
    images = jnp.asarray(probes(image_shape, np.dtype(dtype)))
    _check_shapes(phi, images)
    first = _run(phi, images)
    if not np.isfinite(first).all():
        raise EncoderError("returns NaN or infinite features: look for a division by 0 or a logarithm of 0 in it")
    size = np.abs(first).max()
    if size == 0:
        raise EncoderError("returns zeros alone: give it its weights")
    close = _SAME[np.dtype(dtype)] * size
    if np.abs(_run(phi, images) - first).max() > close:
        raise EncoderError("is not deterministic, equal images get other features each time: switch dropout off")
    if np.abs(_run(phi, images[:1]) - first[:1]).max() > close:
        raise EncoderError(
            "gives an image other features when it stands among others: let batch norm use its running averages"
        )
    _check_gradient(phi, images)


def _check_shapes(phi: Encoder, images: Array) -> None:
    """By abstract evaluation, which runs nothing."""
    shapes = {}
    for count in (1, 3, 4):
        try:
            found: Any = jax.eval_shape(
                lambda x: phi(x), images[:count]
            )  # a lambda of its own, which jax has not traced
        except Exception as error:
            given = ", ".join(map(str, images.shape[1:]))
            raise EncoderError(
                f"fails under jax ({_reason(error)}): write it with jax.numpy, for images [n, {given}]"
            ) from error
        shape: Any = getattr(found, "shape", None)
        if shape is None or len(shape) != 2 or shape[0] != count or not shape[1]:
            raise EncoderError(
                f"returns {type(found).__name__ if shape is None else shape} for {count} images, allowed is "
                f"[{count}, d]: flatten or average what it has of each image"
            )
        if not jnp.issubdtype(found.dtype, jnp.floating):
            raise EncoderError(f"is not differentiable, it returns {found.dtype}: let it return floating numbers")
        shapes[count] = shape[1]
    if len(set(shapes.values())) > 1:
        few = ", ".join(f"{size} for {count}" for count, size in shapes.items())
        raise EncoderError(f"changes the number of features with that of images ({few}): let it be one number")


def _check_gradient(phi: Encoder, images: Array) -> None:
    def total(x: Array) -> Array:
        return jnp.sum(jnp.square(phi(x)))

    try:
        slope = np.asarray(jax.jit(jax.grad(total))(images))
    except Exception as error:
        raise EncoderError(f"is not differentiable ({_reason(error)}): leave that step out of it") from error
    if not np.isfinite(slope).all():
        raise EncoderError("has NaN or infinite gradients: look for a square root or a norm of 0 in it")
    if not slope.any():
        raise EncoderError("is not differentiable, its gradient is 0 everywhere: leave out stop_gradient and rounding")


def _run(phi: Encoder, images: Array) -> np.ndarray:
    """Traced anew, so that what Python draws is drawn again."""
    try:
        return np.asarray(jax.jit(lambda x: phi(x))(images), np.float64)
    except Exception as error:
        raise EncoderError(f"fails on images {images.shape} ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    """The class and first line of an error, cut short."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:90].rstrip(": ")
