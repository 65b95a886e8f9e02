"""Sums of branches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from kerneldistill.kernels.layers.branches import Branch
from kerneldistill.kernels.layers.layer import Inputs, Layer, named
from kerneldistill.kernels.layers.summed import Summed


@dataclass(frozen=True)
class Sum(Summed):
    """The sum of several branches, of equal strides: x -> sum of branch(x).

    branches: each a tuple of layers, of which one at most does not end with weights; () is the identity
    """

    branches: tuple[Branch, ...]

    @property
    def parts(self) -> tuple[Branch, ...]:
        """See `Branches.parts`."""
        return self.branches

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if len(self.branches) < 2:
            raise ValueError(f"{self}: a sum has two branches or more")
        return super().check(inputs)

    def named_parts(self, path: str) -> list[dict[str, Layer]]:
        """See `Branches.named_parts`."""
        return [named(branch, f"{path}.{i}.") for i, branch in enumerate(self.branches)]

    def rebuilt(self, parts: Sequence[Branch]) -> Self:
        """See `Branches.rebuilt`."""
        return type(self)(tuple(parts))
