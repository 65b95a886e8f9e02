"""Which offsets a band holds, and how images are laid out to be read by them. See `kernels.bands` for the notation."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from kerneldistill.kernels.bands import Plane


class Offsets(NamedTuple):
    """The offsets of a band on images of height x width pixels.

    height, width: pixels.
    ry, rx: of the multiples of `step`, -ry..ry and -rx..rx are held, or, wrapped, all of them modulo the image size.
    wrapped: which of the two.
    step: what a stride s of the convolutions ahead leaves to be wanted: every s-th offset.
    circular: whether -ry..ry are modulo the image size, too: p + d beyond an edge comes in at the other.
    """

    height: int
    width: int
    ry: int
    rx: int
    wrapped: bool
    step: int = 1
    circular: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """How many row and column offsets are held."""
        if self.wrapped:
            return self.height // self.step, self.width // self.step
        return 2 * self.ry + 1, 2 * self.rx + 1

    @property
    def wraps(self) -> bool:
        """Whether offsets are modulo the image size, so that every entry is a pair of pixels."""
        return self.wrapped or self.circular

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

        Rows i to i + h of the result, i in steps, are the plane of a row offset, zeros outside the image: one copy per
        column offset, made once per tile, and none per row offset.
        """
        framed = self.framed(images)
        firsts = (self.step * i for i in range(self.shape[1]))
        return jnp.stack([framed[:, i : i + self.width] for i in firsts], axis=1)

    def framed(self, images: Array) -> Array:
        """Frame `[h, w, pairs]` by zeros or, modulo the size, by itself: rows i to i + h are those of a row offset.

        And columns likewise: `[h + oy - 1, w + ox - 1, pairs]` for oy and ox offsets in steps of 1.
        """
        if self.wrapped:
            more = (self.height - self.step, self.width - self.step)
            return jnp.pad(images, ((0, more[0]), (0, more[1]), (0, 0)), mode="wrap")
        rows, cols = self.step * self.ry, self.step * self.rx
        return jnp.pad(images, ((rows, rows), (cols, cols), (0, 0)), mode="wrap" if self.circular else "constant")

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
        return lax.dynamic_slice(stacked, (self._steps(row), first, zero, zero), sizes)

    def shrunk(self, height: int, width: int, stride: int) -> "Offsets":
        """The offsets between the pixels that a convolution makes of these, height x width."""
        whole = (stride * height, stride * width) == (self.height, self.width)
        return self._replace(height=height, width=width, step=self.step // stride, circular=self.circular and whole)

    def plane(self, row: Array, first: Array | int = 0, count: int | None = None) -> Plane:
        """Where the entries of row offset `row` and `count` column offsets from `first` lie; by default all."""
        count = self.shape[1] if count is None else count
        h = jnp.arange(self.height)[:, None, None, None]
        w = jnp.arange(self.width)[None, :, None]
        ox = first + jnp.arange(count)[:, None, None]
        if self.wraps:
            # The seam lies before the pixel p whose p' = p + d is 0 modulo the size.
            if self.wrapped:
                seams = self.height - self._steps(row), self.width - self._steps(ox)
            else:
                seams = self.step * (self.ry - row) % self.height, self.step * (self.rx - ox) % self.width
            rows, cols = (h > 0) & (h != seams[0]), (w > 0) & (w != seams[1])
            return Plane(None, (rows, cols[None]))
        rows, cols = h + self._steps(row - self.ry), w + self._steps(ox - self.rx)
        inside = (rows >= 0) & (rows < self.height) & ((cols >= 0) & (cols < self.width))[None]
        return Plane(inside, None)

    def _steps(self, index: Array) -> Array:
        return index if self.step == 1 else self.step * index
