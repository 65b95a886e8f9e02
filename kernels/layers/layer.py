"""What a layer is. To add a kind, write its file beside this one and its row in `kerneldistill.kernels.layers`.

Layers are frozen data, equal if their numbers are, so a network names each by its path: "3" is the fourth layer,
"3.branch.0" the first of its branch. What belongs to one layer of a network (standard deviations, weights, fan-ins) is
kept in a mapping by path, never by order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal, NamedTuple, Protocol, TypeVar

from jax import Array

from kerneldistill.kernels.activations.dual import Factors
from kerneldistill.kernels.bands import Plane
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.passes import Passes, Place

# What reaches a layer: the images, functions that are Gaussian at each pixel, or neither.
Inputs = Literal["images", "gaussian", "other"]
Shape = tuple[int, int, int]  # height, width, channels; (1, 1, channels) after the head


V = TypeVar("V")

# Of the layer at a path.
Places = Callable[[str], Place]


class BothFactors(Protocol):
    """Finds the factors of both sides of the pairs, for the activation at `path` whose inputs have covariance `cov`."""

    def __call__(self, path: str, cov: Cov) -> tuple[Factors, Factors]: ...


def _unknown(path: str) -> Offsets:
    raise AssertionError(f"the layer at {path} takes whole bands alone")


class Pairs(NamedTuple):
    """The pairs whose covariances pass through layers.

    with_ntk: whether the tangent kernel is wanted
    plane: where the entries lie that reach the layer at a path
    factors: of both sides
    strip: rows of pixels that an activation takes at a time, for a compiler that keeps an order; None: all
    places: the offsets that reach the layer at a path, where whole bands pass; else nobody may ask
    """

    with_ntk: bool
    plane: Callable[[str], Plane]
    factors: BothFactors
    strip: int | None = None
    places: Callable[[str], Offsets] = _unknown


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
    takes_bands: ClassVar[bool] = False  # whether it takes a whole band, `Pairs.places`, and no planes
    every_offset: ClassVar[bool] = False  # whether it takes all pairs of pixels, whatever is wanted of its outputs

    def check(self, inputs: Inputs) -> Inputs:
        """Say what the outputs are for such inputs.

        Raises:
          ValueError: the kernel is not known for such inputs, or a number is impossible.
        """
        return inputs

    def leaves(self, path: str) -> Iterator[tuple[str, "Layer"]]:
        """Name the layers that this one is made of."""
        yield path, self

    @property
    def strides(self) -> int:
        """By how many pixels of the inputs the pixels of the outputs are apart; the layer ends no resolution."""
        return 1

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """The shape of the outputs, where hidden layers have `width` channels.

        Raises:
          ValueError: the inputs have too few pixels.
        """
        return shape

    def offsets_after(self, offsets: Offsets) -> Offsets:
        """The offsets of the outputs, from those of the inputs; of a layer that ends no resolution."""
        return offsets

    def places(self, offsets: Offsets, path: str) -> dict[str, Offsets]:
        """The offsets of the inputs of each leaf."""
        return {path: offsets}

    def fan_ins(self, shape: Shape, width: int, path: str) -> dict[str, int]:
        """Inputs of each output of the weighted leaves, for inputs of `shape`."""
        return {}

    def weight_shapes(self, shape: Shape, width: int, path: str) -> dict[str, tuple[int, ...]]:
        """The shapes of W in a finite network, by weighted leaf; the outputs, `width` of hidden layers, are last."""
        return {}

    def with_fan_ins(self, fan_ins: Mapping[str, int], path: str) -> "Layer":
        """The layer whose weighted leaves know their fan-in."""
        return self

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """Compute the outputs of the layer of finite width for x [n, h, w, c], or [n, c] after the head."""
        raise NotImplementedError

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """Compute the covariances of the outputs from those of the inputs.

        Treat an entry as one pair of pixels, or of images after the head; only `Plane.box` mixes them.
        """
        raise NotImplementedError

    def passes(self, before: Passes, with_ntk: bool, places: Places, path: str) -> Passes:
        """Count the operations of `cov` on each point of its place after those `before`."""
        raise NotImplementedError

    def price(self, place: Offsets) -> int:
        """As how many pairs of pixels that pass a convolution it costs."""
        return place.points


class Joint(NamedTuple):
    """The bands where one resolution meets the next.

    before: offsets at the end of the one
    after: those that the other needs; None behind a head
    """

    before: Offsets
    after: Offsets | None

    @property
    def turns_no_more(self) -> bool:
        """Whether entries beyond the edges are those of the other edge, for circular convolutions before it alone."""
        return self.before.circular and self.after is not None and not self.after.circular


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

    def reduce_plane(self, cov: Cov, joint: Joint) -> Cov:
        """Reduce a plane [h, ox, w, pairs] of the band before it: a head sums it to [pairs], with its weight."""
        pixels = joint.before.height * joint.before.width
        return cov.map(lambda k: k.sum((0, 1, 2)) / self.pixel_pairs(pixels))

    def reduce_stack(self, cov: Cov, joint: Joint) -> Cov:
        """Reduce the stack of reduced planes [oy, ...]."""
        return cov.map(lambda k: k.sum(0))

    def pixel_pairs(self, pixels: int) -> int:
        """How many pairs of the `pixels` of two images a head averages."""
        raise NotImplementedError

    def stack_values(self, joint: Joint) -> int:
        """Values of a stack of reduced planes, for each pair of images."""
        return joint.before.shape[0]

    def end_passes(self, before: Passes, joint: Joint) -> Passes:
        """Count the operations on the band before it after those `before`."""
        kernels = 1 + before.tangent
        return before.and_then(Passes(kernels, kernels, before.tangent), joint.before.points)


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


def count_passes(layers: Mapping[str, Layer], before: Passes, with_ntk: bool, places: Places) -> Passes:
    """Count the operations of `propagate`."""
    for path, layer in layers.items():
        before = layer.passes(before, with_ntk, places, path)
    return before


def places(layers: Mapping[str, Layer], offsets: Offsets) -> tuple[dict[str, Offsets], Offsets]:
    """The offsets of the inputs of each leaf, from those of the first, and of the last outputs; of no pool or head."""
    found: dict[str, Offsets] = {}
    for path, layer in layers.items():
        found |= layer.places(offsets, path)
        offsets = layer.offsets_after(offsets)
    return found, offsets


def strides(layers: Iterable[Layer]) -> int:
    """By how many pixels of the first inputs the pixels of the last outputs are apart."""
    return prod(layer.strides for layer in layers)


def shape_after(layers: Iterable[Layer], shape: Shape, width: int) -> Shape:
    """The shape of the last outputs."""
    for layer in layers:
        shape = layer.shape_after(shape, width)
    return shape


def fan_ins(layers: Mapping[str, Layer], shape: Shape, width: int) -> dict[str, int]:
    """Inputs of each output of all weighted leaves, for images of `shape` and hidden layers of `width`."""
    return _of_leaves(layers, shape, width, lambda layer, *given: layer.fan_ins(*given))


def weight_shapes(layers: Mapping[str, Layer], shape: Shape, width: int) -> dict[str, tuple[int, ...]]:
    """The shapes of W of all weighted leaves, likewise."""
    return _of_leaves(layers, shape, width, lambda layer, *given: layer.weight_shapes(*given))


def _of_leaves(
    layers: Mapping[str, Layer], shape: Shape, width: int, of: Callable[[Layer, Shape, int, str], Mapping[str, V]]
) -> dict[str, V]:
    found: dict[str, V] = {}
    for path, layer in layers.items():
        found |= of(layer, shape, width, path)
        shape = layer.shape_after(shape, width)
    return found
