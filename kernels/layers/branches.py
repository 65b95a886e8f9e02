"""What layers share that pass their inputs through several branches side by side, and join what comes out."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from jax import Array

from kerneldistill.kernels.layers.conv import Conv
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.global_self_attention import GlobalSelfAttention
from kerneldistill.kernels.layers.layer import (
    Inputs,
    Layer,
    Pairs,
    Places,
    ScaledWeights,
    Shape,
    apply,
    count_passes,
    fan_ins,
    leaves,
    places,
    propagate,
    shape_after,
    strides,
    weight_shapes,
)
from kerneldistill.kernels.layers.pointwise import Pointwise
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.passes import Passes

Branch = tuple[Layer, ...]  # one without layers is the identity
# Layers whose own weights make their outputs, which are correlated with nothing else.
FRESH = (Conv, GlobalSelfAttention)


@dataclass(frozen=True)
class Branches(Layer):
    """Branches side by side, which leave as many pixels at the same strides: they hold the same offsets."""

    before_head: ClassVar[bool] = True

    @property
    @abstractmethod
    def parts(self) -> tuple[Branch, ...]:
        """The branches."""

    @abstractmethod
    def named_parts(self, path: str) -> list[dict[str, Layer]]:
        """The layers of each branch by path."""

    @abstractmethod
    def rebuilt(self, parts: Sequence[Branch]) -> Self:
        """The same of other branches."""

    @abstractmethod
    def joined(self, outputs: Sequence[Array]) -> Array:
        """Join the outputs of the branches, [n, h, w, c] each."""

    @abstractmethod
    def joined_cov(self, covs: Sequence[Cov]) -> Cov:
        """The covariances of the joined outputs, from those of each branch's."""

    @abstractmethod
    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The shape of the joined outputs."""

    def check_parts(self, inputs: Inputs) -> list[Inputs]:
        """Check what all branches must be, and say what the outputs of each are."""
        for layer in (layer for part in self.parts for layer in part):
            if not isinstance(layer, (*FRESH, Pointwise, Branches)):
                raise ValueError(
                    f"{self}: a branch is made of Conv, Activation, LayerNorm, GlobalSelfAttention, Residual, Sum and "
                    f"Concat; got {layer}: put a pool between blocks, or use Conv(stride=...)"
                )
        found = [strides(part) for part in self.parts]
        if len(set(found)) > 1:
            raise ValueError(
                f"{self}: its branches have the strides {found}, and must have the same, as what they join are equal "
                "pixels: set Conv(stride=...)"
            )
        if not all(self.parts) and inputs == "images":
            raise ValueError(f"{self}: images have not the channels of a branch: give the block a Conv as its shortcut")
        return [_checked(part, inputs) for part in self.parts]

    @property
    def strides(self) -> int:
        """See `Layer.strides`."""
        return strides(self.parts[0])

    def leaves(self, path: str) -> Iterator[tuple[str, Layer]]:
        """See `Layer.leaves`."""
        for part in self.named_parts(path):
            yield from leaves(part).items()

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        shapes = [shape_after(part, shape, width) for part in self.parts]
        if len({each[:2] for each in shapes}) > 1:
            sizes = " and ".join(f"{height} x {width}" for height, width, _ in shapes)
            raise ValueError(
                f"{self}: of {shape[0]} x {shape[1]} pixels its branches leave {sizes}: use padding='SAME', or as many "
                "filters of the same sizes without padding in each"
            )
        return self.joined_shape(shapes)

    def offsets_after(self, offsets: Offsets) -> Offsets:
        """See `Layer.offsets_after`."""
        found = [places(named, offsets)[1] for named in self.named_parts("")]
        return found[0]._replace(circular=all(each.circular for each in found))

    def places(self, offsets: Offsets, path: str) -> dict[str, Offsets]:
        """See `Layer.places`."""
        return {own: place for named in self.named_parts(path) for own, place in places(named, offsets)[0].items()}

    def fan_ins(self, shape: Shape, width: int, path: str) -> dict[str, int]:
        """See `Layer.fan_ins`."""
        return {own: count for named in self.named_parts(path) for own, count in fan_ins(named, shape, width).items()}

    def weight_shapes(self, shape: Shape, width: int, path: str) -> dict[str, tuple[int, ...]]:
        """See `Layer.weight_shapes`."""
        found = (weight_shapes(named, shape, width) for named in self.named_parts(path))
        return {own: each for part in found for own, each in part.items()}

    def with_fan_ins(self, fan_ins: Mapping[str, int], path: str) -> Self:
        """See `Layer.with_fan_ins`."""
        parts = self.named_parts(path)
        return self.rebuilt([tuple(layer.with_fan_ins(fan_ins, own) for own, layer in part.items()) for part in parts])

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        return self.joined([apply(part, x, weights) for part in self.named_parts(path)])

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """See `Layer.cov`."""
        # The last first: the order in which gradients by the common input are added.
        found = [propagate(part, cov, pairs) for part in reversed(self.named_parts(path))]
        return self.joined_cov(found[::-1])

    def passes(self, before: Passes, with_ntk: bool, places: Places, path: str) -> Passes:
        """See `Layer.passes`."""
        found, tangent = before, False
        for part in self.named_parts(path):
            own = count_passes(part, before, with_ntk, places)
            forward, reverse = own.forward - before.forward, own.reverse - before.reverse
            found, tangent = found.and_then(Passes(forward, reverse, found.tangent)), tangent or own.tangent
        # The paths are joined, and in reverse what they ask of their common input.
        both = (len(self.parts) - 1) * (1 + tangent)
        first = next(iter(self.leaves(path)))[0]
        return found.and_then(Passes(both, both, tangent), places(first).points)


def _checked(part: Branch, inputs: Inputs) -> Inputs:
    for layer in part:
        inputs = layer.check(inputs)
    return inputs
