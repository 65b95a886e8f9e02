"""Operations on bands against the same on all pixel pairs, and their hand-written adjoints against them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.bands import Reach, pool_x, pool_y, strided
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.windows import Window

# Bands of even and odd images, and the offsets that a 2x2 pool leaves of them.
POOLED = [
    (Offsets(4, 6, 3, 3, wrapped=False), Offsets(2, 3, 1, 1, wrapped=False)),
    (Offsets(5, 7, 1, 3, wrapped=False), Offsets(2, 3, 0, 1, wrapped=False)),
    (Offsets(6, 4, 5, 3, wrapped=True), Offsets(3, 2, 2, 1, wrapped=True)),
]
BANDS = [before for before, _ in POOLED]
# Every other offset of them, and few modulo the size.
STEPPED = [
    Offsets(4, 6, 1, 2, wrapped=False, step=2),
    Offsets(4, 8, 1, 3, wrapped=True, step=2),
    Offsets(5, 4, 2, 1, wrapped=False, circular=True),
    Offsets(6, 5, 1, 1, wrapped=False, step=2, circular=True),
]


def all_pairs(offsets: Offsets) -> np.ndarray:
    """Some covariance of every pixel with every pixel: [h, w, h, w]."""
    return np.random.default_rng(0).standard_normal((offsets.height, offsets.width) * 2)


def band_of(pairs: np.ndarray, offsets: Offsets) -> np.ndarray:
    """The band [oy, h, ox, w, 1] of all pairs, zeros outside."""
    h, w = offsets.height, offsets.width
    band = np.zeros((offsets.shape[0], h, offsets.shape[1], w, 1))
    for i, p, j, q in np.ndindex(band.shape[:-1]):
        y, x = (place + offsets.step * (n - n0) for place, n, n0 in zip((p, q), (i, j), offsets.zero, strict=True))
        if offsets.wraps:
            y, x = y % h, x % w
        if 0 <= y < h and 0 <= x < w:
            band[i, p, j, q, 0] = pairs[p, q, y, x]
    return band


def boxed(pairs: np.ndarray, reach: Reach) -> np.ndarray:
    framed = np.pad(pairs, reach)
    h, w = pairs.shape[:2]
    around = np.ndindex(sum(reach) + 1, sum(reach) + 1)
    return sum(framed[i : i + h, j : j + w, i : i + h, j : j + w] for i, j in around)


def turned(pairs: np.ndarray, reach: Reach) -> np.ndarray:
    around = [(i - reach[1], j - reach[1]) for i, j in np.ndindex(sum(reach) + 1, sum(reach) + 1)]
    return sum(np.roll(pairs, (i, j, i, j), (0, 1, 2, 3)) for i, j in around)


def averaged(pairs: np.ndarray, size: int, stride: int) -> np.ndarray:
    h, w = ((n - size) // stride + 1 for n in pairs.shape[:2])
    found = np.zeros((h, w, h, w))
    for p, q, r, s in np.ndindex(found.shape):
        y, x, v, u = (slice(stride * n, stride * n + size) for n in (p, q, r, s))
        found[p, q, r, s] = pairs[y, x, v, u].mean()
    return found


def pooled(pairs: np.ndarray) -> np.ndarray:
    h, w = (size // 2 for size in pairs.shape[:2])
    return pairs[: 2 * h, : 2 * w, : 2 * h, : 2 * w].reshape(h, 2, w, 2, h, 2, w, 2).mean((1, 3, 5, 7))


def box(offsets: Offsets, band: jax.Array, reach: Reach = (1, 1)) -> jax.Array:
    return jax.vmap(offsets.plane)(jnp.arange(offsets.shape[0])).box(band, reach)


def pool(offsets: Offsets, band: jax.Array) -> jax.Array:
    return pool_y(pool_x(band, offsets.wrapped), offsets.wrapped)


@pytest.mark.parametrize("reach", [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2)])
@pytest.mark.parametrize("offsets", [*BANDS, *STEPPED])
def test_box_sums_the_neighbours_of_both_pixels(offsets: Offsets, reach: Reach) -> None:
    pairs = all_pairs(offsets)
    plane = jax.vmap(offsets.plane)(jnp.arange(offsets.shape[0]))
    found = np.asarray(jax.jit(partial(box, offsets, reach=reach))(band_of(pairs, offsets)))
    # Outside the image anything may stand.
    found = found if plane.inside is None else np.where(plane.inside, found, 0)
    np.testing.assert_allclose(found, band_of(boxed(pairs, reach), offsets), atol=1e-13)


@pytest.mark.parametrize("reach", [(1, 1), (3, 3), (1, 2)])
@pytest.mark.parametrize("offsets", [each for each in (*BANDS, *STEPPED) if each.wraps])
def test_a_circular_box_goes_on_at_the_other_edge(offsets: Offsets, reach: Reach) -> None:
    pairs = all_pairs(offsets)
    plane = jax.vmap(offsets.plane)(jnp.arange(offsets.shape[0]))
    circular = jax.jit(lambda x: plane.box(x, reach, circular=True))
    np.testing.assert_allclose(circular(band_of(pairs, offsets)), band_of(turned(pairs, reach), offsets), atol=1e-13)
    x, y = np.random.default_rng(1).standard_normal((2, *band_of(pairs, offsets).shape))
    np.testing.assert_allclose(np.vdot(circular(x), y), np.vdot(x, jax.vjp(circular, x)[1](y)[0]), rtol=1e-12)


def test_a_stride_leaves_the_offsets_between_the_pixels_that_are_left() -> None:
    before = Offsets(5, 6, 1, 1, wrapped=False, step=2)
    pairs = all_pairs(before)
    found = strided(jnp.asarray(band_of(pairs, before)), 2, (0, 1), (3, 3))
    after = before.shrunk(3, 3, 2)
    assert after == Offsets(3, 3, 1, 1, wrapped=False)
    inside = band_of(np.ones((3, 3, 3, 3)), after)
    np.testing.assert_array_equal(found * inside, band_of(pairs[::2, 1::2, ::2, 1::2], after))


# Windows of every kind: apart, side by side, overlapping; where every other offset is wanted; offsets modulo the size.
WINDOWS = [
    (Offsets(7, 9, 5, 2, wrapped=False), 3, 3, Offsets(2, 3, 1, 0, wrapped=False)),
    (Offsets(7, 6, 4, 4, wrapped=False), 3, 2, Offsets(3, 2, 1, 1, wrapped=False)),
    (Offsets(8, 7, 4, 1, wrapped=False), 2, 3, Offsets(3, 2, 1, 0, wrapped=False)),
    (Offsets(9, 8, 5, 5, wrapped=False), 2, 2, Offsets(4, 4, 1, 1, wrapped=False, step=2)),
    (Offsets(6, 4, 3, 3, wrapped=False, circular=True), 2, 2, Offsets(3, 2, 1, 1, wrapped=False, circular=True)),
    (Offsets(6, 9, 5, 8, wrapped=True), 3, 3, Offsets(2, 3, 1, 2, wrapped=True)),
    (Offsets(8, 4, 7, 3, wrapped=True), 2, 2, Offsets(4, 2, 3, 1, wrapped=True, step=2)),
    (Offsets(6, 3, 5, 2, wrapped=True), 2, 3, Offsets(2, 1, 1, 0, wrapped=True)),
]


@pytest.mark.parametrize(("before", "size", "stride", "after"), WINDOWS)
def test_a_window_averages_both_images(before: Offsets, size: int, stride: int, after: Offsets) -> None:
    pairs = all_pairs(before)
    rows, cols = (
        Window(size, stride, outputs, offsets, after.step)
        for outputs, offsets in zip((after.height, after.width), after.shape, strict=True)
    )
    columns = cols.pool(jnp.asarray(band_of(pairs, before)), before.wrapped)
    flat = rows.pool(columns.reshape(*columns.shape[:2], -1), before.wrapped)
    found = flat.reshape(*flat.shape[:2], *columns.shape[2:])
    inside = band_of(np.ones((after.height, after.width) * 2), after)
    np.testing.assert_allclose(found * inside, band_of(averaged(pairs, size, stride), after), atol=1e-14)


@pytest.mark.parametrize(("before", "after"), POOLED)
def test_pool_averages_both_images(before: Offsets, after: Offsets) -> None:
    pairs = all_pairs(before)
    found = jax.jit(partial(pool, before))(band_of(pairs, before))
    inside = band_of(np.ones((after.height, after.width) * 2), after)
    np.testing.assert_allclose(found * inside, band_of(pooled(pairs), after), atol=1e-14)


@pytest.mark.parametrize(
    "operation",
    [box, partial(box, reach=(2, 2)), partial(box, reach=(1, 2)), pool],
    ids=["box", "wide box", "even box", "pool"],
)
@pytest.mark.parametrize("offsets", BANDS)
def test_adjoints_are_adjoint(operation, offsets: Offsets) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((offsets.shape[0], offsets.height, offsets.shape[1], offsets.width, 2))
    shape = jax.eval_shape(partial(operation, offsets), x).shape
    y = rng.standard_normal(shape)
    value, back = jax.jit(lambda x, y: (operation(offsets, x), jax.vjp(partial(operation, offsets), x)[1](y)[0]))(x, y)
    np.testing.assert_allclose(np.vdot(value, y), np.vdot(x, back), rtol=1e-12)


@pytest.mark.parametrize("offsets", [*BANDS, *STEPPED])
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
