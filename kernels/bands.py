"""Operations on a band: covariances of the pixel pairs (p, p + d) for the offsets d that a network needs.

Notation, used throughout `kernels`: images x (rows) and x' (columns); pixel p = (h, w); offset d = p' - p = (oy, ox).
A band plane holds one row offset oy as an array `[h, ox, w, pairs]`; a whole band is `[oy, h, ox, w, pairs]`. The
pairs of a tile stand innermost: every shift below then moves a major axis and all lanes do the same work. Entry
(p, d) with p + d outside the image is zero wherever an operation reads a neighbour.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax


@jax.custom_vjp
def box(x: Array) -> Array:
    """Sums the nine neighbours of each pixel, zeros outside: `[..., h, ox, w, pairs]` to the same shape.

    A convolution moves both pixels of a pair together, so it never mixes offsets: this is all of it but the weights.
    Separable: 2 + 2 additions. The sum is its own adjoint, which autodiff of pads and slices does not see (10x slower).
    """
    zeros = [(0, 0)] * (x.ndim - 4)
    padded = jnp.pad(x, [*zeros, (1, 1), (0, 0), (1, 1), (0, 0)])
    height, width = x.shape[-4], x.shape[-2]
    rows = sum(lax.slice_in_dim(padded, i, i + height, axis=-4) for i in range(3))
    return sum(lax.slice_in_dim(rows, i, i + width, axis=-2) for i in range(3))


box.defvjp(lambda x: (box(x), None), lambda _, cotangent: (box(cotangent),))


@jax.custom_vjp
def _pool(x: Array) -> Array:
    """One axis of the 2x2 average pool, without its factor 1/4: `[..., 4R+3, n, m]` to `[..., 2R+1, n // 2, m]`.

    K_out[D, P] = sum over a, b in {0, 1} of K[2D + b - a, 2P + a]; an odd n drops its last pixel.
    """
    half = x.shape[-2] // 2
    pairs = x[..., : 2 * half, :].reshape(*x.shape[:-2], half, 2, x.shape[-1])
    even, odd = pairs[..., 0, :], pairs[..., 1, :]
    same = even[..., 1:-1:2, :, :] + odd[..., 1:-1:2, :, :]
    return same + even[..., 2::2, :, :] + odd[..., :-2:2, :, :]


def _pool_adjoint(pixels: int, g: Array) -> Array:
    zero = jnp.zeros_like(g[..., :1, :, :])
    # Offsets of the parity of 2D reach both pixels of P; the others the even pixel of D, or the odd one of D + 1.
    centre = jnp.concatenate([jnp.stack([g, g], -2), jnp.stack([zero, zero], -2)], axis=-4)
    aside = jnp.stack([jnp.concatenate([zero, g], -3), jnp.concatenate([g, zero], -3)], -2)
    both = jnp.stack([aside, centre], axis=-4)
    offsets = 2 * both.shape[-5]
    spread = both.reshape(*g.shape[:-3], offsets, 2 * g.shape[-2], g.shape[-1])[..., : offsets - 1, :, :]
    dropped = [(0, 0)] * (spread.ndim - 2) + [(0, pixels - 2 * g.shape[-2]), (0, 0)]
    return jnp.pad(spread, dropped)


_pool.defvjp(lambda x: (_pool(x), x.shape[-2]), lambda pixels, g: (_pool_adjoint(pixels, g),))


def pool_x(planes: Array) -> Array:
    """Average-pools the columns of planes: `[..., h, 4R+3, w, pairs]` to `[..., h, 2R+1, w // 2, pairs]`."""
    return _pool(planes) / 4


def pool_y(band: Array) -> Array:
    """Average-pools the rows of a band: `[4R+3, h, ox, w, pairs]` to `[2R+1, h // 2, ox, w, pairs]`."""
    offsets, height, *rest = band.shape
    pooled = _pool(band.reshape(offsets, height, -1)) / 4
    return pooled.reshape(*pooled.shape[:2], *rest)


def columns(images: Array, radius: tuple[int, int]) -> Array:
    """Lays x'(p + d) out for slicing by oy: `[h, w, pairs]` to `[h + 2 ry, ox, w, pairs]`, zeros outside the image.

    Rows oy + ry to oy + ry + h of the result are the plane of offset oy: one copy per offset column, made once per
    tile, and none per row offset.
    """
    ry, rx = radius
    padded = jnp.pad(images, ((ry, ry), (rx, rx), (0, 0)))
    width = images.shape[1]
    return jnp.stack([padded[:, i : i + width] for i in range(2 * rx + 1)], axis=1)


def plane_of(stacked: Array, row_offset: Array, height: int) -> Array:
    """Takes the plane `[h, ox, w, pairs]` of row offset index `row_offset` (oy + ry) from `columns`' result."""
    return lax.dynamic_slice_in_dim(stacked, row_offset, height, axis=0)


def inside(height: int, width: int, oy: Array, rx: int) -> Array:
    """Says where p + d lies in the image: bool `[h, ox, w, 1]` for row offset `oy` and column offsets -rx..rx."""
    rows = jnp.arange(height)[:, None, None, None] + oy
    cols = jnp.arange(width)[None, None, :, None] + jnp.arange(-rx, rx + 1)[None, :, None, None]
    return (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
