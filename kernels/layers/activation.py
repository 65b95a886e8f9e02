"""Elementwise functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations import dual_of
from kerneldistill.kernels.activations.dual import Dual, Factors
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Inputs, Layer, Pairs, ScaledWeights
from kerneldistill.kernels.passes import Passes, Place, passes_of


@dataclass(frozen=True)
class Activation(Layer):
    """An elementwise function: a name in `kernels.activations.ACTIVATIONS`, a `Dual`, or any JAX function.

    Its dual holds for Gaussian inputs, as a layer of random weights makes them.

    Raises:
      ValueError: for an unknown name.
    """

    function: str | Dual | Callable[[Array], Array] = "relu"

    before_head: ClassVar[bool] = True
    after_head: ClassVar[bool] = True

    def __post_init__(self) -> None:
        dual_of(self.function)

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if inputs == "images":
            raise ValueError(f"{self} acts on the images themselves: put a Conv or a Dense before it")
        if inputs == "other":
            raise ValueError(f"{self} acts on what is not Gaussian: put a Conv or a Dense directly before it")
        return "other"

    def factors(self, std: Array) -> Factors:
        """See `Dual.factors`."""
        return dual_of(self.function).factors(std)

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        return dual_of(self.function).apply(x)

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """See `Layer.cov`."""
        given = (cov.nngp, cov.ntk, *pairs.factors(path, cov))
        size = pairs.strip
        if size is None:
            return Cov(*self.dual(*given))
        firsts = range(0, len(cov.nngp), size)
        strips = [self.dual(*jax.tree.map(lambda x, i=i, n=size: x[i : i + n], given)) for i in firsts]
        return Cov(*jax.tree.map(lambda *parts: jnp.concatenate(parts), *strips))

    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """See `Dual.dual`."""
        return dual_of(self.function).dual(nngp, ntk, row, col)

    def passes(self, before: Passes, with_ntk: bool, place: Place) -> Passes:
        """See `Layer.passes`: what tracing the dual says, which is exact for any function."""
        one = jax.ShapeDtypeStruct((), jnp.float32)
        factors = jax.eval_shape(self.factors, one)
        forward, reverse = passes_of(self.dual, one, one if before.tangent else None, factors, factors)
        return before.and_then(Passes(forward, reverse, before.tangent), place.points)
