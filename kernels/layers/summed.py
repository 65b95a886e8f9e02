"""What Residual and Sum share."""

from collections.abc import Sequence
from dataclasses import dataclass

from jax import Array

from kerneldistill.kernels.layers.branches import FRESH, Branches
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import Inputs, Shape


@dataclass(frozen=True)
class Summed(Branches):
    """Branches whose outputs are added. All but one end with a layer of weights: uncorrelated, covariances add."""

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        found = self.check_parts(inputs)
        loose = sum(not (part and isinstance(part[-1], FRESH)) for part in self.parts)
        if loose > 1:
            raise ValueError(
                f"{self}: {loose} of its branches do not end with a Conv or an attention, and only one may be so: "
                "weights leave the others uncorrelated"
            )
        return "gaussian" if all(each == "gaussian" for each in found) else "other"

    def joined(self, outputs: Sequence[Array]) -> Array:
        """See `Branches.joined`."""
        first, *others = outputs
        return sum(others, start=first)

    def joined_cov(self, covs: Sequence[Cov]) -> Cov:
        """See `Branches.joined_cov`."""
        total, *others = covs
        for other in others:
            total = total.plus(other)
        return total

    def joined_shape(self, shapes: Sequence[Shape]) -> Shape:
        """See `Branches.joined_shape`."""
        if len({channels for _, _, channels in shapes}) > 1:
            channels = " and ".join(str(channels) for _, _, channels in shapes)
            raise ValueError(
                f"{self}: its branches leave {channels} times the channels of a layer: end each with a Conv"
            )
        return shapes[0]
