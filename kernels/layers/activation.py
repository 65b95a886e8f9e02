"""Elementwise functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jax import Array

from kerneldistill.kernels.activations import dual_of
from kerneldistill.kernels.activations.dual import Dual, Factors
from kerneldistill.kernels.layers.layer import ScaledWeights
from kerneldistill.kernels.layers.pointwise import Pointwise


@dataclass(frozen=True)
class Activation(Pointwise):
    """An elementwise function: a name in `kernels.activations.ACTIVATIONS`, a `Dual`, or any JAX function.

    Its dual holds for Gaussian inputs, as a layer of random weights makes them.

    Raises:
      ValueError: for an unknown name.
    """

    function: str | Dual | Callable[[Array], Array] = "relu"

    def __post_init__(self) -> None:
        dual_of(self.function)

    def factors(self, std: Array) -> Factors:
        """See `Dual.factors`."""
        return dual_of(self.function).factors(std)

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        return dual_of(self.function).apply(x)

    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """See `Dual.dual`."""
        return dual_of(self.function).dual(nngp, ntk, row, col)
