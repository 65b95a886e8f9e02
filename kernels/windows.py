"""Average pools of any window and stride along one axis of a band; `kernels.bands` has that of 2 x 2, which is faster.

With a window of k pixels and a stride s, pixel P of the pool is the mean of pixels sP .. sP + k - 1, so that
    K_out[D, P] = 1 / k^2 sum over a, b in 0..k-1 of K[sD + b - a, sP + a],
which is done in two sums of k terms: T[e, P] = sum over a of K[e - a, sP + a], then K_out[D, P] = sum over b of
T[sD + b, P].
"""

from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax


class Window(NamedTuple):
    """One axis of a pool.

    size, stride: k, s, in pixels
    outputs: pixels that it leaves
    offsets: that are wanted of them
    step: every how manieth offset is wanted
    """

    size: int
    stride: int
    outputs: int
    offsets: int
    step: int

    def pool(self, x: Array, wrapped: bool) -> Array:
        """Pool `[..., offsets, pixels, m]`, of all offsets in the radius that is needed, or wrapped."""
        found = self._turned(x) if wrapped else self._slid(x)
        every = self.stride * self.step
        last = every * (self.offsets - 1) + 1
        return _total(lax.slice_in_dim(found, b, b + last, every, axis=-3) for b in range(self.size)) / self.size**2

    def _slid(self, x: Array) -> Array:
        """T of a band of offsets -r..r, where no a leads beyond them."""
        count, last = x.shape[-3] - self.size + 1, self.size - 1
        firsts = ((a, last - a) for a in range(self.size))
        return _total(lax.slice_in_dim(self._pixels(x, a), first, first + count, axis=-3) for a, first in firsts)

    def _turned(self, x: Array) -> Array:
        """T of offsets modulo the image size, the first ones again behind the last."""
        whole = _total(jnp.roll(self._pixels(x, a), a, axis=-3) for a in range(self.size))
        return jnp.concatenate([whole, lax.slice_in_dim(whole, 0, self.size - 1, axis=-3)], axis=-3)

    def _pixels(self, x: Array, first: int) -> Array:
        return lax.slice_in_dim(x, first, first + self.stride * (self.outputs - 1) + 1, self.stride, axis=-2)


def _total(parts: Iterable[Array]) -> Array:
    first, *others = parts
    return sum(others, start=first)
