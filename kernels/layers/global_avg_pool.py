"""The head that averages the pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.layers.layer import End, ScaledWeights, Shape


@dataclass(frozen=True)
class GlobalAvgPool(End):
    """Mean over the pixels: every pixel of one image meets every pixel of the other."""

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        return 1, 1, shape[2]

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        return jnp.mean(x, axis=(1, 2))

    def radius_before(self, after: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """See `End.radius_before`."""
        return size[0] - 1, size[1] - 1

    def pixel_pairs(self, pixels: int) -> int:
        """See `End.pixel_pairs`."""
        return pixels**2
