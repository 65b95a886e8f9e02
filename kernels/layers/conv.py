"""Convolutions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jax import Array, lax

from kerneldistill.kernels.layers.layer import Pairs, ScaledWeights
from kerneldistill.kernels.layers.weighted import Weighted


@dataclass(frozen=True)
class Conv(Weighted):
    """3x3 convolution, stride 1, SAME zero padding, with weights of variance W_std^2 / fan_in and biases of b_std^2."""

    before_head: ClassVar[bool] = True
    taps: ClassVar[int] = 9

    def weight_shape(self, fan_in: int, outputs: int) -> tuple[int, ...]:
        """See `Weighted.weight_shape`."""
        return 3, 3, fan_in // 9, outputs

    def sums(self, k: Array, pairs: Pairs) -> Array:
        """See `Weighted.sums`."""
        return pairs.plane.box(k)

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        own = weights[path]
        product = lax.conv_general_dilated(x, own.W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return own.output(product)
