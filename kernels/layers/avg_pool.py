"""Average pools."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from kerneldistill.kernels.bands import pool_x, pool_y
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.layers.layer import End, Inputs, Joint, ScaledWeights, Shape
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.passes import Passes
from kerneldistill.kernels.windows import Window


@dataclass(frozen=True)
class AvgPool(End):
    """Average pooling without padding (VALID): what does not fill a window is dropped.

    size: of its square window
    stride: between windows; None: its size

    Raises:
      ValueError: for numbers below 1; when the network is made.
    """

    size: int = 2
    stride: int | None = None

    before_head: ClassVar[bool] = True
    is_head: ClassVar[bool] = False

    @property
    def every(self) -> int:
        """How many pixels its windows are apart."""
        return self.size if self.stride is None else self.stride

    @property
    def halves(self) -> bool:
        """Whether it is the pool of 2 x 2, which has its own programs."""
        return self.size == self.every == 2

    def check(self, inputs: Inputs) -> Inputs:
        """See `Layer.check`."""
        if min(self.size, self.every) < 1:
            raise ValueError(f"{self}: the size and the stride of a pool must be 1 or more")
        return inputs

    def shape_after(self, shape: Shape, width: int) -> Shape:
        """See `Layer.shape_after`."""
        if min(shape[:2]) < self.size:
            raise ValueError(
                f"{self}: {shape[0]} x {shape[1]} pixels reach it, but its window needs {self.size} x {self.size}: use "
                "larger images or fewer layers before it"
            )
        return self._outputs(shape[0]), self._outputs(shape[1]), shape[2]

    def offsets_after(self, offsets: Offsets) -> Offsets:
        """See `Layer.offsets_after`; but for the radius, which is the next resolution's."""
        return offsets.shrunk(self._outputs(offsets.height), self._outputs(offsets.width), self.every)

    def apply(self, x: Array, weights: Mapping[str, ScaledWeights], path: str) -> Array:
        """See `Layer.apply`."""
        if self.every != self.size:
            window, strides = (1, self.size, self.size, 1), (1, self.every, self.every, 1)
            return lax.reduce_window(x, np.zeros((), x.dtype), lax.add, window, strides, "VALID") / self.size**2
        n, height, width, channels = x.shape
        size, rows, cols = self.size, height // self.size, width // self.size
        filled = x[:, : rows * size, : cols * size]
        return jnp.mean(filled.reshape(n, rows, size, cols, size, channels), axis=(2, 4))

    def radius_before(self, after: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """See `End.radius_before`."""
        return self.every * after[0] + self.size - 1, self.every * after[1] + self.size - 1

    def reduce_plane(self, cov: Cov, joint: Joint) -> Cov:
        """Pool the columns of a plane: a quarter of it is left by a pool of 2 x 2."""
        wrapped = joint.before.wrapped
        if self.halves and _next(joint).step == 1:
            return cov.map(lambda k: pool_x(k, wrapped))
        return cov.map(lambda k: self._window(joint, 1).pool(k, wrapped))

    def reduce_stack(self, cov: Cov, joint: Joint) -> Cov:
        """Pool the rows of a stack."""
        before, after = joint.before, _next(joint)
        # Beyond the edge of what is left stand pixels that were dropped, or those of an overlapping window.
        exact = (self.every * after.height, self.every * after.width) == (before.height, before.width)
        cov = replace(cov, clean=exact and self.size <= self.every and not joint.turns_no_more)
        if self.halves and after.step == 1:
            return cov.map(lambda k: pool_y(k, before.wrapped))
        return cov.map(lambda k: self._pool_rows(k, joint))

    def _pool_rows(self, k: Array, joint: Joint) -> Array:
        offsets, height, *rest = k.shape
        pooled = self._window(joint, 0).pool(k.reshape(offsets, height, -1), joint.before.wrapped)
        return pooled.reshape(*pooled.shape[:2], *rest)

    def _window(self, joint: Joint, axis: int) -> Window:
        after = _next(joint)
        outputs = (after.height, after.width)[axis]
        return Window(self.size, self.every, outputs, after.shape[axis], after.step)

    def stack_values(self, joint: Joint) -> int:
        """See `End.stack_values`."""
        after = _next(joint)
        return joint.before.shape[0] * joint.before.height * after.shape[1] * after.width

    def end_passes(self, before: Passes, joint: Joint) -> Passes:
        """See `End.end_passes`: columns are pooled plane by plane, then the rows of the band that is left."""
        kernels, after = 1 + before.tangent, _next(joint)
        if self.halves and after.step == 1:
            each = Passes(4 * kernels, kernels, before.tangent)
            return before.and_then(each, self.stack_values(joint) + after.points)
        found, edge = before, 0 if joint.before.wrapped else self.size - 1
        rows, cols = (count - edge for count in joint.before.shape)
        stacks = (
            (joint.before.shape[0] * joint.before.height, cols * after.width, after.shape[1] * after.width),
            (after.shape[1] * after.width, rows * after.height, after.shape[0] * after.height),
        )
        for others, summed, left in stacks:
            # The two sums of `Window.pool`, of size terms each; in reverse what they add is given to each term.
            adds = (self.size - 1) * others * (summed + left)
            scaled = others * left
            found = found.and_then(Passes(kernels * (adds + scaled), kernels * (adds + scaled), before.tangent))
        return found

    def _outputs(self, pixels: int) -> int:
        """How many there are along an axis."""
        return (pixels - self.size) // self.every + 1


def _next(joint: Joint) -> Offsets:
    assert joint.after is not None
    return joint.after
