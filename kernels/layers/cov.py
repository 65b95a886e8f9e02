"""The covariances that pass through the layers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.bands import Plane


@partial(jax.tree_util.register_dataclass, data_fields=("nngp", "ntk"), meta_fields=("clean", "channels"))
@dataclass(frozen=True)
class Cov:
    """Covariances of pixel pairs, or of whole images once the head has summed the pixels.

    nngp: `[..., h, ox, w, pairs]` or any shape after the head: E[f(x) f(x')].
    ntk: like `nngp`: the tangent kernel so far; None where it is zero (before the first weights) or not wanted.
    clean: whether entries with p + d outside the image are zero. A bias makes them not.
    channels: how many times the width of a hidden layer are those whose mean it is; of no meaning for images.
    """

    nngp: Array
    ntk: Array | None
    clean: bool = True
    channels: int = 1

    def cleaned(self, plane: Plane) -> "Cov":
        """Zero what lies outside the image, where that is not so already."""
        if self.clean or plane.inside is None:
            return self
        ntk = None if self.ntk is None else jnp.where(plane.inside, self.ntk, 0)
        return replace(self, nngp=jnp.where(plane.inside, self.nngp, 0), ntk=ntk, clean=True)

    def map(self, function: Callable[[Array], Array]) -> "Cov":
        """Apply a linear map of the covariances (a pool, a mean) to both."""
        return replace(self, nngp=function(self.nngp), ntk=None if self.ntk is None else function(self.ntk))

    def plus(self, other: "Cov") -> "Cov":
        """Add the covariances of an uncorrelated function."""
        ntk = other.ntk if self.ntk is None else self.ntk if other.ntk is None else self.ntk + other.ntk
        return replace(self, nngp=self.nngp + other.nngp, ntk=ntk, clean=self.clean and other.clean)
