"""What a layer is. To add a kind, write its file beside this one and its row in `kerneldistill.kernels.layers`.

Layers are frozen data, equal if their numbers are, so a network names each by its path: "3" is the fourth layer,
"3.branch.0" the first of its branch. What belongs to one layer of a network (standard deviations, weights, fan-ins) is
kept in a mapping by path, never by order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol

from jax import Array

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.bands import Plane
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.passes import Passes, Place

# What reaches a layer: the images, functions that are Gaussian at each pixel, or neither.
Inputs = Literal["images", "gaussian", "other"]
Shape = tuple[int, int, int]  # height, width, channels; (1, 1, channels) after the head


class BothFactors(Protocol):
    """Finds the factors of both sides of the pairs, for the activation at `path` whose inputs have covariance `cov`."""

    def __call__(self, path: str, cov: Cov) -> tuple[Factors, Factors]: ...


class Pairs(NamedTuple):
    """The pairs whose covariances pass through layers.

    with_ntk: whether the tangent kernel is wanted
    plane: where the entries lie
    factors: of both sides
    strip: rows of pixels that an activation takes at a time, for a compiler that keeps an order; None: all
    """

    with_ntk: bool
    plane: Plane
    factors: BothFactors
    strip: int | None = None


class ScaledWeights(NamedTuple):
    """Parameters of one finite layer, and how they are used: y = forward W x + shift b.

    W: [size, size, inputs, outputs] of a Conv, [inputs, outputs] of a Dense
    b: [outputs], or None for b_std = 0
    """

    W: Array
    b: Array | None
    forward: float
    shift: float

    def output(self, product: Array) -> Array:
        """y [..., outputs] from W x."""
        y = self.forward * product
        return y if self.b is None else y + (self.shift * self.b).reshape(*[1] * (y.ndim - 1), -1)


@dataclass(frozen=True)
class Layer:
    """One layer. The methods here are those of a layer without weights that changes no shape."""

    before_head: ClassVar[bool] = False  # whether it may stand there
    after_head: ClassVar[bool] = False

    def check(self, inputs: Inputs) -> Inputs:
        """Say what the outputs are for such inputs.

        Raises:
          ValueError: the kernel is not known for such inputs, or a number is impossible.
        """
        return inputs

    def leaves(self, path: str) -> Iterator[tuple[str, "Layer"]]:
        """Name the layers that this one is made of."""
        yield path, self

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """The shape of the outputs, where hidden layers have `width` channels."""
        return shape

    def fan_ins(self, shape: Shape, width: int, path: str) -> dict[str, int]:
        """Inputs of each output of the weighted leaves, for inputs of `shape`."""
        return {}

    def with_fan_ins(self, fan_ins: Mapping[str, int], path: str) -> "Layer":
        """The layer whose weighted leaves know their fan-in."""
        return self

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """Compute the outputs of the layer of finite width for x [n, h, w, c], or [n, c] after the head."""
        raise NotImplementedError

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """Compute the covariances of the outputs from those of the inputs.

        Treat an entry as one pair of pixels, or of images after the head; only `pairs.plane.box` mixes them.
        """
        raise NotImplementedError

    def passes(self, before: Passes, with_ntk: bool, place: Place) -> Passes:
        """Count the operations of `cov` on each point of `place` after those `before`."""
        raise NotImplementedError


@dataclass(frozen=True)
class End(Layer):
    """A layer that ends a resolution: a pool, or a head that takes all pixels to one vector.

    A band reaches it plane by plane. It reduces each plane at once, so that no whole band is stored, and then the
    stack of what is left.
    """

    is_head: ClassVar[bool] = True

    def radius_before(self, after: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """The radius of offsets it needs before it, for a radius `after` it; `size` is that of the image before it."""
        raise NotImplementedError

    def reduce_plane(self, cov: Cov, offsets: Offsets) -> Cov:
        """Reduce a plane [h, ox, w, pairs] of the band of `offsets`: a head sums it to [pairs], with its weight."""
        pixels = offsets.height * offsets.width
        return cov.map(lambda k: k.sum((0, 1, 2)) / self.pixel_pairs(pixels))

    def reduce_stack(self, cov: Cov, offsets: Offsets) -> Cov:
        """Reduce the stack of reduced planes [oy, ...]."""
        return cov.map(lambda k: k.sum(0))

    def pixel_pairs(self, pixels: int) -> int:
        """How many pairs of the `pixels` of two images a head averages."""
        raise NotImplementedError

    def stack_values(self, offsets: Offsets) -> int:
        """Values of a stack of reduced planes, for each pair of images."""
        return offsets.shape[0]

    def end_passes(self, before: Passes, offsets: Offsets) -> Passes:
        """Count the operations on the band of `offsets` after those `before`."""
        kernels = 1 + before.tangent
        return before.and_then(Passes(kernels, kernels, before.tangent), offsets.points)


def named(layers: Sequence[Layer], prefix: str = "") -> dict[str, Layer]:
    """Layers by path."""
    return {f"{prefix}{i}": layer for i, layer in enumerate(layers)}


def leaves(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """The layers that those are made of; a residual block gives those of its branch, then its shortcut."""
    return {path: leaf for own, layer in layers.items() for path, leaf in layer.leaves(own)}


def propagate(layers: Mapping[str, Layer], cov: Cov, pairs: Pairs) -> Cov:
    """Pass covariances through layers of one resolution, or those after the head."""
    for path, layer in layers.items():
        cov = layer.cov(cov, pairs, path)
    return cov


def apply(layers: Mapping[str, Layer], x: Array, weights: Mapping[str, ScaledWeights]) -> Array:
    """Pass finite functions x through layers."""
    for path, layer in layers.items():
        x = layer.apply(x, weights, path)
    return x


def count_passes(layers: Mapping[str, Layer], before: Passes, with_ntk: bool, place: Place) -> Passes:
    """Count the operations of `propagate`."""
    for layer in layers.values():
        before = layer.passes(before, with_ntk, place)
    return before


def fan_ins(layers: Mapping[str, Layer], shape: Shape, width: int) -> dict[str, int]:
    """Inputs of each output of all weighted leaves, for images of `shape` and hidden layers of `width`."""
    found: dict[str, int] = {}
    for path, layer in layers.items():
        found |= layer.fan_ins(shape, width, path)
        shape = layer.shape_after(shape, width)
    return found
