"""Concatenations of branches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import jax.numpy as jnp
from jax import Array

from kerneldistill.kernels.layers.branches import Branch, Branches
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Inputs, Layer, Shape, named


@dataclass(frozen=True)
class Concat(Branches):
    """The channels of several branches behind one another, of equal strides.

    Covariances are means over channels: K is the mean of the branches', each weighted by its channels; so is Theta. A
    branch has the width of a hidden layer, or, where it ends with a concatenation or is the identity behind one, as
    many times that.

    branches: each a tuple of layers; () is the identity
    """

    branches: tuple[Branch, ...]

    @property
    def parts(self) -> tuple[Branch, ...]:
        """See `Branches.parts`."""
        return self.branches

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if len(self.branches) < 2:
            raise ValueError(f"{self}: a concatenation has two branches or more")
        self.check_parts(inputs)
        # Channels of one variance and channels of another: not Gaussian with the mean of both.
        return "other"

    def named_parts(self, path: str) -> list[dict[str, Layer]]:
        """See `Branches.named_parts`."""
        return [named(branch, f"{path}.{i}.") for i, branch in enumerate(self.branches)]

    def rebuilt(self, parts: Sequence[Branch]) -> Self:
        """See `Branches.rebuilt`."""
        return type(self)(tuple(parts))

    def joined(self, outputs: Sequence[Array]) -> Array:
        """See `Branches.joined`."""
        return jnp.concatenate(outputs, axis=-1)

    def joined_cov(self, covs: Sequence[Cov]) -> Cov:
        """See `Branches.joined_cov`."""
        channels = sum(cov.channels for cov in covs)
        parts = [cov.map(lambda k, share=cov.channels / channels: share * k) for cov in covs]
        total, *others = parts
        for other in others:
            total = total.plus(other)
        return replace(total, channels=channels)

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        """See `Branches.joined_shape`."""
        height, width, _ = shapes[0]
        return height, width, sum(channels for _, _, channels in shapes)
