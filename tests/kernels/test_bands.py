"""Operations on bands against the same on all pixel pairs, and their hand-written adjoints against them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.bands import pool_x, pool_y
from kerneldistill.kernels.offsets import Offsets

# Bands of even and odd images, and the offsets that a 2x2 pool leaves of them.
POOLED = [
    (Offsets(4, 6, 3, 3, wrapped=False), Offsets(2, 3, 1, 1, wrapped=False)),
    (Offsets(5, 7, 1, 3, wrapped=False), Offsets(2, 3, 0, 1, wrapped=False)),
    (Offsets(6, 4, 5, 3, wrapped=True), Offsets(3, 2, 2, 1, wrapped=True)),
]
BANDS = [before for before, _ in POOLED]


def all_pairs(offsets: Offsets) -> np.ndarray:
    """Some covariance of every pixel with every pixel: [h, w, h, w]."""
    return np.random.default_rng(0).standard_normal((offsets.height, offsets.width) * 2)


def band_of(pairs: np.ndarray, offsets: Offsets) -> np.ndarray:
    """The band [oy, h, ox, w, 1] of all pairs, zeros outside."""
    h, w = offsets.height, offsets.width
    band = np.zeros((offsets.shape[0], h, offsets.shape[1], w, 1))
    for i, p, j, q in np.ndindex(band.shape[:-1]):
        y, x = p + i - offsets.zero[0], q + j - offsets.zero[1]
        if offsets.wrapped:
            y, x = y % h, x % w
        if 0 <= y < h and 0 <= x < w:
            band[i, p, j, q, 0] = pairs[p, q, y, x]
    return band


def boxed(pairs: np.ndarray, reach: int) -> np.ndarray:
    framed = np.pad(pairs, reach)
    h, w = pairs.shape[:2]
    around = np.ndindex(2 * reach + 1, 2 * reach + 1)
    return sum(framed[i : i + h, j : j + w, i : i + h, j : j + w] for i, j in around)


def pooled(pairs: np.ndarray) -> np.ndarray:
    h, w = (size // 2 for size in pairs.shape[:2])
    return pairs[: 2 * h, : 2 * w, : 2 * h, : 2 * w].reshape(h, 2, w, 2, h, 2, w, 2).mean((1, 3, 5, 7))


def box(offsets: Offsets, band: jax.Array, reach: int = 1) -> jax.Array:
    return jax.vmap(offsets.plane)(jnp.arange(offsets.shape[0])).box(band, reach)


def pool(offsets: Offsets, band: jax.Array) -> jax.Array:
    return pool_y(pool_x(band, offsets.wrapped), offsets.wrapped)


@pytest.mark.parametrize("reach", [0, 1, 2])
@pytest.mark.parametrize("offsets", BANDS)
def test_box_sums_the_neighbours_of_both_pixels(offsets: Offsets, reach: int) -> None:
    pairs = all_pairs(offsets)
    plane = jax.vmap(offsets.plane)(jnp.arange(offsets.shape[0]))
    found = np.asarray(jax.jit(partial(box, offsets, reach=reach))(band_of(pairs, offsets)))
    # Outside the image anything may stand.
    found = found if plane.inside is None else np.where(plane.inside, found, 0)
    np.testing.assert_allclose(found, band_of(boxed(pairs, reach), offsets), atol=1e-13)


@pytest.mark.parametrize(("before", "after"), POOLED)
def test_pool_averages_both_images(before: Offsets, after: Offsets) -> None:
    pairs = all_pairs(before)
    found = jax.jit(partial(pool, before))(band_of(pairs, before))
    inside = band_of(np.ones((after.height, after.width) * 2), after)
    np.testing.assert_allclose(found * inside, band_of(pooled(pairs), after), atol=1e-14)


@pytest.mark.parametrize("operation", [box, partial(box, reach=2), pool], ids=["box", "wide box", "pool"])
@pytest.mark.parametrize("offsets", BANDS)
def test_adjoints_are_adjoint(operation, offsets: Offsets) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((offsets.shape[0], offsets.height, offsets.shape[1], offsets.width, 2))
    shape = jax.eval_shape(partial(operation, offsets), x).shape
    y = rng.standard_normal(shape)
    value, back = jax.jit(lambda x, y: (operation(offsets, x), jax.vjp(partial(operation, offsets), x)[1](y)[0]))(x, y)
    np.testing.assert_allclose(np.vdot(value, y), np.vdot(x, back), rtol=1e-12)


@pytest.mark.parametrize("offsets", BANDS)
def test_images_are_laid_out_as_the_second_pixel_of_each_pair(offsets: Offsets) -> None:
    image = np.random.default_rng(2).standard_normal((offsets.height, offsets.width, 1))
    stacked = offsets.columns(jnp.asarray(image))
    rows, cols = offsets.shape
    block_of = partial(offsets.block_of, stacked)
    planes = [
        np.concatenate([block_of(jnp.array(i), jnp.array(j), 1) for j in range(cols)], axis=1) for i in range(rows)
    ]
    pairs = np.broadcast_to(image[None, None, :, :, 0], (*image.shape[:2], *image.shape[:2]))
    np.testing.assert_array_equal(np.stack(planes), band_of(pairs, offsets))


@pytest.mark.parametrize("wrapped", [False, True])
def test_blocks_of_a_plane_lie_where_the_plane_does(wrapped: bool) -> None:
    offsets = Offsets(4, 6, 3, 5, wrapped)
    whole, count = offsets.plane(jnp.array(1)), offsets.shape[1]
    parts = [offsets.plane(jnp.array(1), jnp.array(i), 1) for i in range(count)]
    if wrapped:
        np.testing.assert_array_equal(np.concatenate([p.seams[1] for p in parts], 1), whole.seams[1])
    else:
        np.testing.assert_array_equal(np.concatenate([p.inside for p in parts], 1), whole.inside)


def test_blocks_divide_a_plane_and_fit() -> None:
    assert Offsets(32, 32, 7, 7, False).blocks(64, 1 << 16) == 15
    assert Offsets(16, 16, 3, 3, False).blocks(64, 1 << 16) == 7
    assert Offsets(8, 8, 1, 1, False).blocks(64, 1 << 16) == 1
