"""Residual blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from kerneldistill.kernels.layers.branches import FRESH, Branch
from kerneldistill.kernels.layers.conv import Conv
from kerneldistill.kernels.layers.layer import Inputs, Layer, named
from kerneldistill.kernels.layers.summed import Summed


@dataclass(frozen=True)
class Residual(Summed):
    """The sum of a branch and a shortcut, of equal strides: x -> branch(x) + shortcut(x).

    branch: its last layer is a Conv or a GlobalSelfAttention, whose weights leave the two paths uncorrelated: their
      covariances add.
    shortcut: None is the identity.
    """

    branch: Branch
    shortcut: Conv | None = None

    @property
    def parts(self) -> tuple[Branch, ...]:
        """See `Branches.parts`."""
        return self.branch, () if self.shortcut is None else (self.shortcut,)

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if self.branch and isinstance(self.branch[-1], FRESH):
            return super().check(inputs)
        raise ValueError(
            f"{self}: a branch must end with a Conv or a GlobalSelfAttention, which leaves it uncorrelated with the "
            "shortcut"
        )

    def named_parts(self, path: str) -> list[dict[str, Layer]]:
        """See `Branches.named_parts`."""
        short: dict[str, Layer] = {} if self.shortcut is None else {f"{path}.shortcut": self.shortcut}
        return [named(self.branch, f"{path}.branch."), short]

    def rebuilt(self, parts: Sequence[Branch]) -> Self:
        """See `Branches.rebuilt`."""
        branch, short = parts
        shortcut = short[0] if short else None
        assert shortcut is None or isinstance(shortcut, Conv)
        return type(self)(branch, shortcut)
