"""Square roots and inverses that keep zero at zero, and their gradients finite there (a pixel may have no variance)."""

import jax.numpy as jnp
from jax import Array


def root(x: Array) -> Array:
    """sqrt(x) for x > 0, else 0."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def inverse(x: Array) -> Array:
    """1 / x for x > 0, else 0."""
    positive = x > 0
    return jnp.where(positive, 1 / jnp.where(positive, x, 1), 0)
