"""Which offsets a band holds, and how images are laid out to be read by them. See `kernels.bands` for the notation."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.bands import Plane


class Offsets(NamedTuple):
    """The offsets of a band on images of height x width pixels.

    height, width: pixels.
    ry, rx: offsets -ry..ry and -rx..rx are held, or, wrapped, all of them modulo the image size.
    wrapped: which of the two.
    """

    height: int
    width: int
    ry: int
    rx: int
    wrapped: bool

    @property
    def shape(self) -> tuple[int, int]:
        """How many row and column offsets are held."""
        return (self.height, self.width) if self.wrapped else (2 * self.ry + 1, 2 * self.rx + 1)

    @property
    def zero(self) -> tuple[int, int]:
        """Index of offset (0, 0)."""
        return (0, 0) if self.wrapped else (self.ry, self.rx)

    @property
    def points(self) -> int:
        """Pixel pairs in a band."""
        return self.shape[0] * self.shape[1] * self.height * self.width

    def columns(self, images: Array) -> Array:
        """Lays x'(p + d) out for slicing by row offset: `[h, w, pairs]` to `[rows, ox, w, pairs]`.

        Rows i to i + h of the result are the plane of row offset index i, zeros outside the image: one copy per column
        offset, made once per tile, and none per row offset.
        """
        count = self.shape[1]
        if self.wrapped:
            padded = jnp.pad(images, ((0, self.height - 1), (0, self.width - 1), (0, 0)), mode="wrap")
        else:
            padded = jnp.pad(images, ((self.ry, self.ry), (self.rx, self.rx), (0, 0)))
        return jnp.stack([padded[:, i : i + self.width] for i in range(count)], axis=1)

    def plane_of(self, stacked: Array, index: Array) -> Array:
        """The plane `[h, ox, w, pairs]` of row offset `index`, from what `columns` made."""
        return lax.dynamic_slice_in_dim(stacked, index, self.height, axis=0)

    def plane(self, index: Array) -> Plane:
        """Where the entries of row offset `index` lie."""
        h = jnp.arange(self.height)[:, None, None, None]
        w = jnp.arange(self.width)[None, :, None]
        if self.wrapped:
            # The seam lies before the pixel p whose p' = p + d is 0 modulo the size.
            rows = (h > 0) & (h != self.height - index)
            cols = (w > 0) & (w != self.width - jnp.arange(self.width)[:, None, None])
            return Plane(None, (rows, cols[None]))
        rows, cols = h + index - self.ry, w + jnp.arange(-self.rx, self.rx + 1)[:, None, None]
        inside = (rows >= 0) & (rows < self.height) & ((cols >= 0) & (cols < self.width))[None]
        return Plane(inside, None)
