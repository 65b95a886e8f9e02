"""Encoders of a few features, for tests: two layers of fixed weights."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.feature_kernel import Encoder

SHAPE = (6, 6, 1)
D = 5


def encoder(size: int = D, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Encoder:
    """Smooth features [n, size] of images of `shape`."""
    rng = np.random.default_rng(seed)
    pixels = int(np.prod(shape))
    first, second = rng.standard_normal((pixels, 16)) / np.sqrt(pixels), rng.standard_normal((16, size)) / 4

    def phi(images: Array) -> Array:
        flat = images.reshape(len(images), -1)
        return jnp.tanh(flat @ jnp.asarray(first, images.dtype)) @ jnp.asarray(second, images.dtype)

    return phi


# By name, as `tests.helpers.encoders:phi`.
phi, other = encoder(), encoder(seed=1)
DIGITS = (8, 8, 1)
of_digits, other_of_digits = encoder(12, shape=DIGITS), encoder(12, 1, DIGITS)
