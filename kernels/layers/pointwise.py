"""What Activation and LayerNorm share: a pixel's outputs depend on its inputs alone, and on their deviations."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Inputs, Pairs, Places, ScaledWeights
from kerneldistill.kernels.layers.per_image import PerImage
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.pair_matrix import partners
from kerneldistill.kernels.passes import Passes, passes_of
from kerneldistill.kernels.safe_math import root


@dataclass(frozen=True)
class Pointwise(PerImage):
    """A layer that maps covariances entry by entry, by factors of both images; see `kernels.activations.dual`."""

    before_head: ClassVar[bool] = True
    after_head: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if inputs == "images":
            raise ValueError(f"{self} acts on the images themselves: put a Conv or a Dense before it")
        if inputs == "other":
            raise ValueError(f"{self} acts on what is not Gaussian: put a Conv or a Dense directly before it")
        return "other"

    def deviations(self, variances: Array) -> Array:
        """Compute the standard deviations that `factors` takes from the variances of all pixels, [h, w, lanes]."""
        return root(variances)

    def note(self, band: Array, place: Offsets) -> Array:
        """See `PerImage.note`: each pixel meets itself at offset 0."""
        row, col = place.zero
        return self.deviations(band[row, :, col])

    def kept(self, place: Offsets) -> tuple[int, int]:
        """See `PerImage.kept`."""
        return place.height, place.width

    def paired(self, row: Factors, col: Factors, place: Offsets) -> tuple[Factors, Factors]:
        """See `PerImage.paired`."""
        return tuple(f[None, :, None] for f in row), tuple(partners(place, f) for f in col)

    @abstractmethod
    def factors(self, std: Array) -> Factors:
        """See `Dual.factors`."""

    @abstractmethod
    def dual(self, nngp: Array, ntk: Array | None, row: Factors, col: Factors) -> tuple[Array, Array | None]:
        """See `Dual.dual`."""

    @abstractmethod
    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """See `Layer.cov`."""
        given = (cov.nngp, cov.ntk, *pairs.factors(path, cov))
        size = pairs.strip
        if size is None:
            nngp, ntk = self.dual(*given)
        else:
            firsts = range(0, len(cov.nngp), size)
            strips = [self.dual(*jax.tree.map(lambda x, i=i, n=size: x[i : i + n], given)) for i in firsts]
            nngp, ntk = jax.tree.map(lambda *parts: jnp.concatenate(parts), *strips)
        return replace(cov, nngp=nngp, ntk=ntk, clean=True)

    def passes(self, before: Passes, with_ntk: bool, places: Places, path: str) -> Passes:
        """See `Layer.passes`: what tracing the dual says, which is exact for any function."""
        one = jax.ShapeDtypeStruct((), jnp.float32)
        factors = jax.eval_shape(self.factors, one)
        forward, reverse = passes_of(self.dual, one, one if before.tangent else None, factors, factors)
        return before.and_then(Passes(forward, reverse, before.tangent), places(path).points)
