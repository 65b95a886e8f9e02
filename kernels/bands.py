"""Operations on a band: covariances of the pixel pairs (p, p + d) for the offsets d that a network needs.

Notation, used throughout `kernels`: images x (rows) and x' (columns); pixel p = (h, w); offset d = p' - p = (oy, ox).
A band plane holds one row offset oy as an array `[h, ox, w, pairs]`; a whole band is `[oy, h, ox, w, pairs]`. The
pairs of a tile stand innermost: every shift below then moves a major axis and all lanes do the same work.

A band is narrow or wrapped. Narrow: offsets -r..r, and entries with p + d outside the image are zero wherever an
operation reads a neighbour. Wrapped, where every offset is needed: offsets 0..n-1 modulo the image size n, which pair
each p with each p' once and hold no entry outside (a quarter of the offsets -(n-1)..n-1); neighbours in the array are
then not neighbours in the image across the seam between p' = n-1 and p' = 0. A circular convolution has no such seam:
it needs its offsets modulo n, be they all or the few of a narrow band.

A stride s leaves every s-th pixel, of both images: offset D between those that are left is s D between these.
Convolutions of any stride thus mix no offsets, and before them only every s-th is held.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

# How many pixels before and behind a pixel are summed with it.
Reach = tuple[int, int]


class Plane(NamedTuple):
    """Where the entries of a plane lie, or with a leading axis those of a whole band.

    inside: bool [h, ox, w, 1], whether p + d lies in the image; None in a wrapped band, where it always does.
    seams: None in a narrow band; else ([h, 1, 1, 1], [1, ox, w, 1]), true where pixel p and the one before it are
      neighbours in both images, false at the seam.
    """

    inside: Array | None
    seams: tuple[Array, Array] | None

    def box(self, x: Array, reach: Reach = (1, 1), circular: bool = False) -> Array:
        """Sum each pixel and those in `reach` of it on both axes, zeros outside: `[..., h, ox, w, pairs]`, as it was.

        A convolution moves both pixels of a pair together, so it never mixes offsets: this is all of it but the
        weights, and the stride.

        circular: beyond an edge stands not zero but the other edge, which only offsets modulo the image size allow
        """
        if reach == (0, 0):
            return x
        if circular:
            return _circular_box(x, reach)
        if self.seams is None:
            return _box(x, reach)
        rows, cols = (seam.astype(x.dtype) for seam in self.seams)
        return _seamed_box(x, (rows, cols), reach)


# The place of covariances of whole images, after the head.
WHOLE_IMAGES = Plane(None, None)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _box(x: Array, reach: Reach) -> Array:
    # Separable: 2 + 2 additions of 3x3. Its adjoint is the box to the other side, of an odd filter itself, which
    # autodiff of pads and slices does not see (10x slower).
    padded, height, width = _framed(x, reach), x.shape[-4], x.shape[-2]
    rows = _sum_of_all(padded, height, -4)
    return _sum_of_all(rows, width, -2)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _circular_box(x: Array, reach: Reach) -> Array:
    padded, height, width = _framed(x, reach, "wrap"), x.shape[-4], x.shape[-2]
    return _sum_of_all(_sum_of_all(padded, height, -4), width, -2)


_circular_box.defvjp(
    lambda x, reach: (_circular_box(x, reach), None), lambda reach, _, g: (_circular_box(g, reach[::-1]),)
)


def _sum_of_all(x: Array, size: int, axis: int) -> Array:
    first, *others = (lax.slice_in_dim(x, i, i + size, axis=axis) for i in range(x.shape[axis] - size + 1))
    return sum(others, start=first)


_box.defvjp(lambda x, reach: (_box(x, reach), None), lambda reach, _, g: (_box(g, reach[::-1]),))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _seamed_box(x: Array, seams: tuple[Array, Array], reach: Reach) -> Array:
    padded, (first, last) = _framed(x, reach), reach
    for axis, seam in zip((-4, -2), seams, strict=True):
        size = x.shape[axis]
        total = lax.slice_in_dim(padded, first, first + size, axis=axis)
        back = onward = None
        for step in range(1, max(reach) + 1):
            # A pixel so far away counts where no seam lies between.
            if step <= first:
                nearer = _moved(seam, axis, 1 - step)
                back = nearer if back is None else back * nearer
                total = total + back * lax.slice_in_dim(padded, first - step, first - step + size, axis=axis)
            if step <= last:
                further = _moved(seam, axis, step)
                onward = further if onward is None else onward * further
                total = total + onward * lax.slice_in_dim(padded, first + step, first + step + size, axis=axis)
        padded = total
    return padded


def _moved(seam: Array, axis: int, by: int) -> Array:
    """What stands `by` pixels further on, zeros outside."""
    ends = [(0, 0)] * seam.ndim
    ends[axis] = (max(0, -by), max(0, by))
    return lax.slice_in_dim(jnp.pad(seam, ends), max(0, by), max(0, by) + seam.shape[axis], axis=axis)


def _seamed_box_backward(reach: Reach, seams: tuple[Array, Array], g: Array) -> tuple[Array, tuple[Array, Array]]:
    return _seamed_box(g, seams, reach[::-1]), jax.tree.map(jnp.zeros_like, seams)


_seamed_box.defvjp(lambda x, seams, reach: (_seamed_box(x, seams, reach), seams), _seamed_box_backward)


def _framed(x: Array, reach: Reach, mode: str = "constant") -> Array:
    """x in a frame of zeros: [..., h, ox, w, pairs] to [..., h + sum(reach), ox, w + sum(reach), pairs]."""
    return jnp.pad(x, [*[(0, 0)] * (x.ndim - 4), reach, (0, 0), reach, (0, 0)], mode=mode)


def strided(x: Array, stride: int, firsts: tuple[int, int], sizes: tuple[int, int]) -> Array:
    """Take every `stride`-th row and column of pixels, `sizes` of them from `firsts`: `[..., h, ox, w, pairs]`."""
    for axis, first, size in zip((-4, -2), firsts, sizes, strict=True):
        x = lax.slice_in_dim(x, first, first + stride * (size - 1) + 1, stride, axis)
    return x


@jax.custom_vjp
def _pool(x: Array) -> Array:
    """One axis of the 2x2 average pool of a narrow band, unscaled: `[..., 4R+3, n, m]` to `[..., 2R+1, n//2, m]`.

    K_out[D, P] = sum over a, b in {0, 1} of K[2D + b - a, 2P + a]; an odd n drops its last pixel.
    """
    even, odd = _parities(x)
    same = even[..., 1:-1:2, :, :] + odd[..., 1:-1:2, :, :]
    return same + even[..., 2::2, :, :] + odd[..., :-2:2, :, :]


def _pool_adjoint(pixels: int, g: Array) -> Array:
    zero = jnp.zeros_like(g[..., :1, :, :])
    # Offsets of the parity of 2D reach both pixels of P; the others the even pixel of D, or the odd one of D + 1.
    centre = jnp.concatenate([jnp.stack([g, g], -2), jnp.stack([zero, zero], -2)], axis=-4)
    aside = jnp.stack([jnp.concatenate([zero, g], -3), jnp.concatenate([g, zero], -3)], -2)
    both = jnp.stack([aside, centre], axis=-4)
    offsets = 2 * both.shape[-5]
    dealt = both.reshape(*g.shape[:-3], offsets, 2 * g.shape[-2], g.shape[-1])[..., : offsets - 1, :, :]
    dropped = [(0, 0)] * (dealt.ndim - 2) + [(0, pixels - 2 * g.shape[-2]), (0, 0)]
    return jnp.pad(dealt, dropped)


_pool.defvjp(lambda x: (_pool(x), x.shape[-2]), lambda pixels, g: (_pool_adjoint(pixels, g),))


@jax.custom_vjp
def _wrapped_pool(x: Array) -> Array:
    """The same of a wrapped band, offsets modulo n (even): `[..., n, n, m]` to `[..., n/2, n/2, m]`."""
    even, odd = _parities(x)
    same = even[..., ::2, :, :] + odd[..., ::2, :, :]
    return same + even[..., 1::2, :, :] + jnp.roll(odd[..., 1::2, :, :], 1, axis=-3)


def _wrapped_pool_adjoint(_: None, g: Array) -> tuple[Array]:
    both = jnp.stack([jnp.stack([g, g], -2), jnp.stack([g, jnp.roll(g, -1, axis=-3)], -2)], axis=-4)
    return (both.reshape(*g.shape[:-3], 2 * g.shape[-3], 2 * g.shape[-2], g.shape[-1]),)


_wrapped_pool.defvjp(lambda x: (_wrapped_pool(x), None), _wrapped_pool_adjoint)


def _parities(x: Array) -> tuple[Array, Array]:
    """The even and the odd pixels of `[..., n, m]`, [..., n//2, m] each."""
    half = x.shape[-2] // 2
    pairs = x[..., : 2 * half, :].reshape(*x.shape[:-2], half, 2, x.shape[-1])
    return pairs[..., 0, :], pairs[..., 1, :]


def pool_x(planes: Array, wrapped: bool) -> Array:
    """Average-pool the columns of planes: `[..., h, ox, w, pairs]`, sizes of column pixels and offsets halved."""
    return (_wrapped_pool if wrapped else _pool)(planes) / 4


def pool_y(band: Array, wrapped: bool) -> Array:
    """Average-pool the rows of a band: `[oy, h, ox, w, pairs]`, sizes of row pixels and offsets halved."""
    offsets, height, *rest = band.shape
    pooled = (_wrapped_pool if wrapped else _pool)(band.reshape(offsets, height, -1)) / 4
    return pooled.reshape(*pooled.shape[:2], *rest)
