"""The layers a network is made of, as data. What a layer does to a covariance is the method beside its numbers.

`W_std`, `b_std` are the field's: weights of variance W_std^2 / fan_in, biases of variance b_std^2; b_std = 0 is no
bias. `fan_in` is None in the NTK parameterisation (Jacot et al. 2018); in the standard one it is the number of inputs
of each output, which a `Network` knows. Covariances are a `Cov`; see `kerneldistill.kernels.bands` for the band layout.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import jax
import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.activations import Dual, Factors, dual_of
from kerneldistill.kernels.bands import Plane


@partial(jax.tree_util.register_dataclass, data_fields=("nngp", "ntk"), meta_fields=("clean",))
@dataclass(frozen=True)
class Cov:
    """Covariances of pixel pairs, or of whole images once the head has summed the pixels.

    nngp: `[..., h, ox, w, pairs]` or any shape after the head: E[f(x) f(x')].
    ntk: like `nngp`: the tangent kernel so far; None where it is zero (before the first weights) or not wanted.
    clean: whether entries with p + d outside the image are zero. A bias makes them not.
    """

    nngp: Array
    ntk: Array | None
    clean: bool = True

    def cleaned(self, plane: Plane) -> "Cov":
        """Zeroes what lies outside the image, where that is not so already."""
        if self.clean or plane.inside is None:
            return self
        ntk = None if self.ntk is None else jnp.where(plane.inside, self.ntk, 0)
        return Cov(jnp.where(plane.inside, self.nngp, 0), ntk)

    def map(self, function) -> "Cov":
        """Applies a linear map of the covariances (a pool, a mean) to both."""
        return replace(self, nngp=function(self.nngp), ntk=None if self.ntk is None else function(self.ntk))

    def plus(self, other: "Cov") -> "Cov":
        """The covariances of the sum of two uncorrelated functions."""
        tangents = [ntk for ntk in (self.ntk, other.ntk) if ntk is not None]
        return Cov(self.nngp + other.nngp, sum(tangents) if tangents else None, self.clean and other.clean)


@dataclass(frozen=True)
class Conv:
    """3x3 convolution, stride 1, SAME zero padding."""

    W_std: float = sqrt(2)
    b_std: float = 0.1
    fan_in: int | None = None

    def cov(self, cov: Cov, plane: Plane, with_ntk: bool) -> Cov:
        """K <- W_std^2/9 box(K) + b_std^2; Theta <- own + W_std^2/9 box(Theta). Novak et al. 2019, eq. 7.

        own, of this layer's parameters, is the new K; in the standard parameterisation fan_in/9 box(K), and 1 for a
        bias (Sohl-Dickstein et al. 2020, 2001.07301).
        """
        cov = cov.cleaned(plane)
        scale = self.W_std**2 / 9
        sums = plane.box(cov.nngp)
        nngp = scale * sums + self.b_std**2
        if not with_ntk:
            return Cov(nngp, None, clean=False)
        own = nngp if self.fan_in is None else self.fan_in / 9 * sums + float(self.b_std > 0)
        return Cov(nngp, own if cov.ntk is None else own + scale * plane.box(cov.ntk), clean=False)


@dataclass(frozen=True)
class Dense:
    """Fully connected layer, on vectors (after the head)."""

    W_std: float = sqrt(2)
    b_std: float = 0.1
    fan_in: int | None = None

    def cov(self, cov: Cov, with_ntk: bool) -> Cov:
        """K <- W_std^2 K + b_std^2; Theta <- own + W_std^2 Theta. Lee et al. 2018, eq. 4; Jacot et al. 2018, eq. 4.

        own is the new K; in the standard parameterisation fan_in K, and 1 for a bias.
        """
        nngp = self.W_std**2 * cov.nngp + self.b_std**2
        if not with_ntk:
            return Cov(nngp, None)
        own = nngp if self.fan_in is None else self.fan_in * cov.nngp + float(self.b_std > 0)
        return Cov(nngp, own if cov.ntk is None else own + self.W_std**2 * cov.ntk)


@dataclass(frozen=True)
class Activation:
    """An elementwise function: a name in `kernels.activations.ACTIVATIONS`, a `Dual`, or any JAX function.

    Raises:
      ValueError: for an unknown name.
    """

    function: str | Dual | Callable[[Array], Array] = "relu"

    def __post_init__(self) -> None:
        dual_of(self.function)

    def factors(self, std: Array) -> Factors:
        return dual_of(self.function).factors(std)

    def cov(self, cov: Cov, row: Factors, col: Factors) -> Cov:
        return Cov(*dual_of(self.function).dual(cov.nngp, cov.ntk, row, col))


@dataclass(frozen=True)
class Residual:
    """The sum of a branch and a shortcut, at one resolution: x -> branch(x) + shortcut(x).

    branch: its last layer is a Conv, whose weights leave the two paths uncorrelated: their covariances add.
    shortcut: None is the identity.
    """

    branch: tuple["Conv | Activation | Residual", ...]
    shortcut: Conv | None = None


@dataclass(frozen=True)
class AvgPool:
    """2x2 average pooling, stride 2; odd sizes drop the last row or column (VALID)."""


@dataclass(frozen=True)
class Flatten:
    """All pixels to one vector: afterwards a pair of images meets at equal pixels only (offset 0)."""


@dataclass(frozen=True)
class GlobalAvgPool:
    """Mean over the pixels: every pixel of one image meets every pixel of the other."""


PixelLayer = Conv | Activation | Residual
Layer = PixelLayer | Dense | AvgPool | Flatten | GlobalAvgPool


def through(
    layers: Sequence[PixelLayer], cov: Cov, plane: Plane, with_ntk: bool, activate: Callable[[Activation, Cov], Cov]
) -> Cov:
    """Passes `cov` through the layers of one resolution; `activate` is called per activation, in the order of `leaves`.

    plane: where the entries of `cov` lie.
    """
    for layer in layers:
        match layer:
            case Activation():
                cov = activate(layer, cov)
            case Conv():
                cov = layer.cov(cov, plane, with_ntk)
            case Residual(branch, shortcut):
                short = cov if shortcut is None else shortcut.cov(cov, plane, with_ntk)
                cov = through(branch, cov, plane, with_ntk, activate).plus(short)
    return cov


def leaves(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers one by one; a residual block gives those of its branch, then its shortcut."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from leaves(layer.branch)
            if layer.shortcut is not None:
                yield layer.shortcut
        else:
            yield layer


def activations(layers: Sequence[Layer]) -> list[Activation]:
    """The activations among the leaves, in the order in which standard deviations are stored."""
    return [layer for layer in leaves(layers) if isinstance(layer, Activation)]
