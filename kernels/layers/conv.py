"""Convolutions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jax import Array, lax

from kerneldistill.kernels.layers.layer import Inputs, Pairs, ScaledWeights
from kerneldistill.kernels.layers.weighted import Weighted


@dataclass(frozen=True)
class Conv(Weighted):
    """Convolution, stride 1, SAME zero padding, with weights of variance W_std^2 / fan_in and biases of b_std^2.

    size: of its square filter, odd

    Raises:
      ValueError: for an even size; when the network is made.
    """

    size: int = 3

    before_head: ClassVar[bool] = True

    @property
    def taps(self) -> int:
        """See `Weighted.taps`."""
        return self.size**2

    @property
    def reach(self) -> int:
        """See `Weighted.reach`."""
        return self.size // 2

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if self.size < 1 or self.size % 2 == 0:
            raise ValueError(f"{self}: the size of a filter must be odd, 1, 3, 5, ...")
        return super().check(inputs)

    def weight_shape(self, fan_in: int, outputs: int) -> tuple[int, ...]:
        """See `Weighted.weight_shape`."""
        return self.size, self.size, fan_in // self.taps, outputs

    def sums(self, k: Array, pairs: Pairs) -> Array:
        """See `Weighted.sums`."""
        return pairs.plane.box(k, self.reach)

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        own = weights[path]
        product = lax.conv_general_dilated(x, own.W, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return own.output(product)
