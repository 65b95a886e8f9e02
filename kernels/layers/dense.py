"""Fully connected layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jax import Array

from kerneldistill.kernels.layers.layer import ScaledWeights
from kerneldistill.kernels.layers.weighted import Weighted


@dataclass(frozen=True)
class Dense(Weighted):
    """Fully connected layer, on vectors, with weights of variance W_std^2 / fan_in and biases of b_std^2."""

    after_head: ClassVar[bool] = True

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        own = weights[path]
        return own.output(x @ own.W)
