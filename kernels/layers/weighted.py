"""What Conv and Dense share.

`W_std`, `b_std` are the field's: weights of variance W_std^2 / fan_in, biases of variance b_std^2; b_std = 0 is no
bias. `fan_in` is None in the NTK parameterisation (Jacot et al. 2018); in the standard one it is the number of inputs
of each output, which `Network.sized` fills in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt

from jax import Array

from kerneldistill.kernels.bands import Plane, Reach
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Inputs, Layer, Pairs, Places, Shape
from kerneldistill.kernels.passes import Passes, Place


@dataclass(frozen=True)
class Weighted(Layer):
    """A layer with weights and biases, drawn independently."""

    W_std: float = sqrt(2)
    b_std: float = 0.1
    fan_in: int | None = None

    @property
    def taps(self) -> int:
        """How many pixels an output sees."""
        return 1

    @property
    def reach(self) -> Reach:
        """How many pixels before and behind the one in the middle it sees."""
        return 0, 0

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if self.W_std <= 0 or self.b_std < 0:
            raise ValueError(f"{self}: W_std must be > 0 and b_std >= 0")
        return "gaussian"

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        return *shape[:2], width

    def fan_ins(self, shape: Shape, width: int, path: str) -> dict[str, int]:
        """See `Layer.fan_ins`."""
        return {path: self.taps * shape[2]}

    def with_fan_ins(self, fan_ins: Mapping[str, int], path: str) -> "Weighted":
        """See `Layer.with_fan_ins`."""
        return replace(self, fan_in=fan_ins[path])

    def weight_shapes(self, shape: Shape, width: int, path: str) -> dict[str, tuple[int, ...]]:
        """See `Layer.weight_shapes`."""
        return {path: (shape[2], width)}

    def sums(self, k: Array, plane: Plane) -> Array:
        """Sum the covariances `k` of the inputs that an output sees."""
        return k

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """K <- W_std^2 mean(K) + b_std^2; Theta <- own + W_std^2 mean(Theta), means over the inputs of an output.

        Lee et al. 2018, eq. 4; Jacot et al. 2018, eq. 4; for a Conv, Novak et al. 2019, eq. 7. own, of this layer's
        parameters, is the new K; in the standard parameterisation fan_in mean(K), and 1 for a bias (Sohl-Dickstein et
        al. 2020, 2001.07301).
        """
        plane = pairs.plane(path)
        cov = cov.cleaned(plane)
        scale = self.W_std**2 / self.taps
        sums = self.sums(cov.nngp, plane)
        nngp = scale * sums + self.b_std**2
        if not pairs.with_ntk:
            return Cov(nngp, None, clean=False)
        own = nngp if self.fan_in is None else self.fan_in / self.taps * sums + float(self.b_std > 0)
        return Cov(nngp, own if cov.ntk is None else own + scale * self.sums(cov.ntk, plane), clean=False)

    def sum_operations(self, place: Place) -> int:
        """Operations of `sums` on each pair of pixels of its inputs."""
        return place.box * sum(self.reach) // 2

    def outputs(self, place: Place) -> int:
        """How many pairs of pixels its outputs have."""
        return place.points

    def passes(self, before: Passes, with_ntk: bool, places: Places, path: str) -> Passes:
        """See `Layer.passes`: the sums, and of what is left a scale and a bias for each kernel, or what is its own."""
        place = places(path)
        box, kernels = self.sum_operations(place), 1 + (with_ntk and before.tangent)
        summed = before.and_then(Passes(kernels * box, kernels * box, before.tangent), place.points)
        forward, reverse = 2, 1
        if with_ntk:
            # The layer's own part is the covariance itself: nothing before the first weights.
            forward += 2 * (self.fan_in is not None) + 2 * before.tangent
            reverse += 1 + before.tangent
        return summed.and_then(Passes(forward, reverse, with_ntk), self.outputs(place))


@dataclass(frozen=True)
class Parameter(Weighted):
    """One of several matrices of a layer, as a finite network draws it; covariances pass the layer."""
