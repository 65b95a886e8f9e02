"""Average pools."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.bands import pool_x, pool_y
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import End, ScaledWeights, Shape
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.passes import Passes


@dataclass(frozen=True)
class AvgPool(End):
    """2x2 average pooling, stride 2; odd sizes drop the last row or column (VALID)."""

    before_head: ClassVar[bool] = True
    is_head: ClassVar[bool] = False

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        return shape[0] // 2, shape[1] // 2, shape[2]

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        n, height, width, channels = x.shape
        even = x[:, : height // 2 * 2, : width // 2 * 2]
        return jnp.mean(even.reshape(n, height // 2, 2, width // 2, 2, channels), axis=(2, 4))

    def radius_before(self, after: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """See `End.radius_before`."""
        return 2 * after[0] + 1, 2 * after[1] + 1

    def reduce_plane(self, cov: Cov, offsets: Offsets) -> Cov:
        """Pool the columns of a plane: a quarter of it is left."""
        return cov.map(lambda k: pool_x(k, offsets.wrapped))

    def reduce_stack(self, cov: Cov, offsets: Offsets) -> Cov:
        """Pool the rows of a stack."""
        # A pool that drops a last row brings it in from beyond the edge.
        clean = offsets.height % 2 == offsets.width % 2 == 0
        return replace(cov, clean=clean).map(lambda k: pool_y(k, offsets.wrapped))

    def stack_values(self, offsets: Offsets) -> int:
        """See `End.stack_values`."""
        return offsets.shape[0] * offsets.height * _halved(offsets)

    def end_passes(self, before: Passes, offsets: Offsets) -> Passes:
        """See `End.end_passes`: columns are pooled plane by plane, then the rows of the band that is left."""
        kernels = 1 + before.tangent
        left = (offsets.shape[0] // 2) * (offsets.height // 2) * _halved(offsets)
        return before.and_then(Passes(4 * kernels, kernels, before.tangent), self.stack_values(offsets) + left)


def _halved(offsets: Offsets) -> int:
    """Column offsets times column pixels that a pool leaves."""
    return (offsets.shape[1] // 2) * (offsets.width // 2)
