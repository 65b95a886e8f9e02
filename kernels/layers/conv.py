"""Convolutions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.bands import Plane, Reach, strided
from kerneldistill.kernels.layers.layer import Inputs, ScaledWeights, Shape
from kerneldistill.kernels.layers.weighted import Weighted
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.passes import Place

Padding = Literal["SAME", "VALID", "CIRCULAR"]


@dataclass(frozen=True)
class Conv(Weighted):
    """Convolution with weights of variance W_std^2 / fan_in and biases of b_std^2.

    size: of its square filter; of an even one the pixel in the middle is the one before it, as in XLA
    stride: between the pixels of its outputs
    padding: SAME adds zeros, CIRCULAR what stands at the other edge, for 1 / stride as many outputs as inputs, rounded
      up and placed as XLA's SAME places them; VALID adds nothing

    Raises:
      ValueError: for a size or a stride below 1 or an unknown padding; when the network is made.
    """

    size: int = 3
    stride: int = 1
    padding: Padding = "SAME"

    before_head: ClassVar[bool] = True

    @property
    def taps(self) -> int:
        """See `Weighted.taps`."""
        return self.size**2

    @property
    def reach(self) -> Reach:
        """See `Weighted.reach`."""
        return (self.size - 1) // 2, self.size // 2

    @property
    def strides(self) -> int:
        """See `Layer.strides`."""
        return self.stride

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if self.size < 1:
            raise ValueError(f"{self}: the size of a filter must be 1 or more")
        if self.stride < 1:
            raise ValueError(f"{self}: the stride of a filter must be 1 or more")
        if self.padding not in get_args(Padding):
            raise ValueError(f"{self}: the padding of a convolution is one of {', '.join(get_args(Padding))}")
        return super().check(inputs)

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        if self.padding == "VALID" and min(shape[:2]) < self.size:
            raise ValueError(
                f"{self}: {shape[0]} x {shape[1]} pixels reach it, but without padding its filter needs {self.size} x "
                f"{self.size}: use larger images, fewer layers before it, or padding='SAME'"
            )
        return self._outputs(shape[0]), self._outputs(shape[1]), width

    def offsets_after(self, offsets: Offsets) -> Offsets:
        """See `Layer.offsets_after`."""
        return offsets.shrunk(self._outputs(offsets.height), self._outputs(offsets.width), self.stride)

    def weight_shapes(self, shape: Shape, width: int, path: str) -> dict[str, tuple[int, ...]]:
        """See `Layer.weight_shapes`."""
        return {path: (self.size, self.size, shape[2], width)}

    def sums(self, k: Array, plane: Plane) -> Array:
        """See `Weighted.sums`."""
        if self._even_patches:
            return self._patch_sums(k)
        whole = plane.box(k, self.reach, self.padding == "CIRCULAR")
        if self.stride == 1 and self.padding != "VALID":
            return whole
        height, width = k.shape[-4], k.shape[-2]
        # The box sum around pixel p is what a filter sees whose middle is p.
        middles = self.reach[0] - self._padded(height)[0], self.reach[0] - self._padded(width)[0]
        return strided(whole, self.stride, middles, (self._outputs(height), self._outputs(width)))

    def sum_operations(self, place: Place) -> int:
        """See `Weighted.sum_operations`."""
        return 1 if self._even_patches else super().sum_operations(place)

    def outputs(self, place: Place) -> int:
        """See `Weighted.outputs`."""
        pixels = self._outputs(place.height) * self._outputs(place.width)
        return place.points // (place.height * place.width) * pixels

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        own, padding = weights[path], self.padding
        if padding == "CIRCULAR":
            pads = (self._padded(size) for size in x.shape[1:3])
            x, padding = jnp.pad(x, ((0, 0), *pads, (0, 0)), mode="wrap"), "VALID"
        strides = (self.stride, self.stride)
        product = lax.conv_general_dilated(x, own.W, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return own.output(product)

    @property
    def _even_patches(self) -> bool:
        """Whether each pixel belongs to one output alone: one addition; odd filters keep the order of theirs."""
        return self.size % 2 == 0 and self.size == self.stride and self.padding == "VALID"

    def _patch_sums(self, k: Array) -> Array:
        """Sum patches side by side: a pixel and the one at a wanted offset from it have the same place in theirs."""
        *outer, height, offsets, width, pairs = k.shape
        rows, cols = self._outputs(height), self._outputs(width)
        filled = k[..., : rows * self.size, :, : cols * self.size, :]
        return filled.reshape(*outer, rows, self.size, offsets, cols, self.size, pairs).sum((-5, -2))

    def _outputs(self, pixels: int) -> int:
        """How many there are along an axis."""
        if self.padding == "VALID":
            return max(0, (pixels - self.size) // self.stride + 1)
        return -(-pixels // self.stride)

    def _padded(self, pixels: int) -> tuple[int, int]:
        """How many pixels are added before and behind an axis."""
        if self.padding == "VALID":
            return 0, 0
        total = max((self._outputs(pixels) - 1) * self.stride + self.size - pixels, 0)
        return total // 2, total - total // 2
