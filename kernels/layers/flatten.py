"""The head that keeps all pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

from jax import Array

from kerneldistill.kernels.layers.layer import End, Inputs, ScaledWeights, Shape


@dataclass(frozen=True)
class Flatten(End):
    """All pixels to one vector: afterwards a pair of images meets at equal pixels only (offset 0)."""

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        # Pixels of different variance, of which only the mean is kept.
        return "other" if inputs == "gaussian" else inputs

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        return 1, 1, shape[0] * shape[1] * shape[2]

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        return x.reshape(x.shape[0], -1)

    def radius_before(self, after: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """See `End.radius_before`."""
        return 0, 0

    def pixel_pairs(self, pixels: int) -> int:
        """See `End.pixel_pairs`."""
        return pixels
