"""The end of a resolution where a layer begins that takes whole bands."""

from dataclasses import dataclass, replace
from typing import ClassVar

from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import End, Joint
from kerneldistill.kernels.passes import Passes


@dataclass(frozen=True)
class Stack(End):
    """No layer of a network: it puts the planes together as they are, and leaves the offsets that are wanted."""

    is_head: ClassVar[bool] = False

    def radius_before(self, after: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """See `End.radius_before`."""
        return after

    def reduce_plane(self, cov: Cov, joint: Joint) -> Cov:
        """See `End.reduce_plane`."""
        return cov.map(lambda k: k[:, :: _step(joint)])

    def reduce_stack(self, cov: Cov, joint: Joint) -> Cov:
        """See `End.reduce_stack`."""
        cov = replace(cov, clean=cov.clean and not joint.turns_no_more)
        return cov.map(lambda k: k[:: _step(joint)])

    def stack_values(self, joint: Joint) -> int:
        """See `End.stack_values`."""
        assert joint.after is not None
        return joint.before.shape[0] * joint.after.points // joint.after.shape[0]

    def end_passes(self, before: Passes, joint: Joint) -> Passes:
        """See `End.end_passes`."""
        return before


def _step(joint: Joint) -> int:
    """Every how manieth offset is wanted."""
    assert joint.after is not None
    return joint.after.step // joint.before.step
