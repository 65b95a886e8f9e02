"""Residual blocks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from jax import Array

from kerneldistill.kernels.layers.activation import Activation
from kerneldistill.kernels.layers.conv import Conv
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import (
    Inputs,
    Layer,
    Pairs,
    ScaledWeights,
    Shape,
    apply,
    count_passes,
    fan_ins,
    leaves,
    named,
    propagate,
)
from kerneldistill.kernels.layers.weighted import Weighted
from kerneldistill.kernels.passes import Passes, Place


@dataclass(frozen=True)
class Residual(Layer):
    """The sum of a branch and a shortcut, at one resolution: x -> branch(x) + shortcut(x).

    branch: its last layer is a Conv, whose weights leave the two paths uncorrelated: their covariances add.
    shortcut: None is the identity.
    """

    branch: tuple[Layer, ...]
    shortcut: Weighted | None = None

    before_head: ClassVar[bool] = True

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if not all(isinstance(layer, Conv | Activation | Residual) for layer in self.branch):
            raise ValueError(f"{self}: a branch is made of Conv, Activation and Residual")
        if not self.branch or not isinstance(self.branch[-1], Conv):
            raise ValueError(f"{self}: a branch must end with a Conv, which leaves it uncorrelated with the shortcut")
        if self.shortcut is None and inputs == "images":
            raise ValueError(f"{self}: images have not the channels of a branch: give the block a Conv as its shortcut")
        within = inputs
        for layer in self.branch:
            within = layer.check(within)
        return inputs if self.shortcut is None else self.shortcut.check(inputs)

    def leaves(self, path: str) -> Iterator[tuple[str, Layer]]:
        """See `Layer.leaves`."""
        yield from leaves(self._branch(path)).items()
        if self.shortcut is not None:
            yield self._shortcut(path), self.shortcut

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        return *shape[:2], width

    def fan_ins(self, shape: Shape, width: int, path: str) -> dict[str, int]:
        """See `Layer.fan_ins`."""
        beside = {} if self.shortcut is None else self.shortcut.fan_ins(shape, width, self._shortcut(path))
        return fan_ins(self._branch(path), shape, width) | beside

    def with_fan_ins(self, fan_ins: Mapping[str, int], path: str) -> "Residual":
        """See `Layer.with_fan_ins`."""
        branch = tuple(layer.with_fan_ins(fan_ins, own) for own, layer in self._branch(path).items())
        shortcut = None if self.shortcut is None else self.shortcut.with_fan_ins(fan_ins, self._shortcut(path))
        return Residual(branch, shortcut)

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        y = apply(self._branch(path), x, weights)
        return y + (x if self.shortcut is None else self.shortcut.apply(x, weights, self._shortcut(path)))

    def cov(self, cov: Cov, pairs: Pairs, path: str) -> Cov:
        """See `Layer.cov`."""
        short = cov if self.shortcut is None else self.shortcut.cov(cov, pairs, self._shortcut(path))
        return propagate(self._branch(path), cov, pairs).plus(short)

    def passes(self, before: Passes, with_ntk: bool, place: Place) -> Passes:
        """See `Layer.passes`."""
        found = count_passes(self._branch(""), before, with_ntk, place)
        if self.shortcut is not None:
            beside = self.shortcut.passes(before, with_ntk, place)
            own = Passes(beside.forward - before.forward, beside.reverse - before.reverse, beside.tangent)
            found = found.and_then(own._replace(tangent=found.tangent or own.tangent))
        # The two paths are added, and in reverse what they ask of their common input.
        both = 1 + found.tangent
        return found.and_then(Passes(both, both, found.tangent), place.points)

    def _branch(self, path: str) -> "dict[str, Layer]":
        return named(self.branch, f"{path}.branch.")

    def _shortcut(self, path: str) -> str:
        return f"{path}.shortcut"
