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
        framed = self.framed(images)
        return jnp.stack([framed[:, i : i + self.width] for i in range(self.shape[1])], axis=1)

    def framed(self, images: Array) -> Array:
        """Frame `[h, w, pairs]` by zeros or, wrapped, by itself: rows i to i + h are those of row offset index i.

        And columns likewise: `[h + oy - 1, w + ox - 1, pairs]` for oy and ox offsets.
        """
        if self.wrapped:
            return jnp.pad(images, ((0, self.height - 1), (0, self.width - 1), (0, 0)), mode="wrap")
        return jnp.pad(images, ((self.ry, self.ry), (self.rx, self.rx), (0, 0)))

    def blocks(self, lane_bytes: int, block_bytes: int | None) -> int:
        """Count the equal blocks of column offsets to cut a plane into, whose pairs take `lane_bytes` a point."""
        if block_bytes is None:
            return 1
        count = self.shape[1]
        fitting = block_bytes // (self.height * self.width * lane_bytes)
        return next(n for n in range(1, count + 1) if count % n == 0 and (count // n <= fitting or n == count))

    def block_of(self, stacked: Array, row: Array, first: Array, count: int) -> Array:
        """Take the block `[h, count, w, pairs]` of row offset `row`, columns from `first`, of what `columns` made."""
        sizes = (self.height, count, *stacked.shape[2:])
        zero = jnp.zeros_like(row)
        return lax.dynamic_slice(stacked, (row, first, zero, zero), sizes)

    def plane(self, row: Array, first: Array | int = 0, count: int | None = None) -> Plane:
        """Where the entries of row offset `row` and `count` column offsets from `first` lie; by default all."""
        count = self.shape[1] if count is None else count
        h = jnp.arange(self.height)[:, None, None, None]
        w = jnp.arange(self.width)[None, :, None]
        ox = first + jnp.arange(count)[:, None, None]
        if self.wrapped:
            # The seam lies before the pixel p whose p' = p + d is 0 modulo the size.
            rows = (h > 0) & (h != self.height - row)
            cols = (w > 0) & (w != self.width - ox)
            return Plane(None, (rows, cols[None]))
        rows, cols = h + row - self.ry, w + ox - self.rx
        inside = (rows >= 0) & (rows < self.height) & ((cols >= 0) & (cols < self.width))[None]
        return Plane(inside, None)
