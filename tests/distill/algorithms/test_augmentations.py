"""Augmentations are what DSA's formulas say, each image's own or all images' alike, and differentiable."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from kerneldistill.algorithms.augmentations import AUGMENTATIONS, augment
from kerneldistill.config.schema import AugmentationName, StrengthConfig

SHAPE = (6, 8, 2)
ALL = get_args(AugmentationName)
# What rearranges pixels and what changes them, and quick to compile.
SOME = ("color", "rotate", "crop")
KEY = jax.random.key(3)


def images(count: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal((count, *SHAPE)).astype(np.float32))


def draws(name: str, image: jax.Array, count: int = 64, **strengths: float) -> np.ndarray:
    """One image, changed `count` times: [count, h, w, c]."""
    same = jnp.broadcast_to(image, (count, *image.shape))
    return np.asarray(augment(KEY, same, (name,), StrengthConfig(**strengths)))


def test_every_name_has_its_change() -> None:
    assert set(AUGMENTATIONS) == set(ALL)
    with pytest.raises(ValueError, match="unknown augmentation 'blur'; known: color, crop"):
        augment(KEY, images(1), ("blur",))


def test_no_names_change_nothing() -> None:
    assert np.array_equal(augment(KEY, images(3), ()), images(3))


def test_images_are_changed_each_by_its_own_draw_in_parts_as_in_whole() -> None:
    batch = jnp.broadcast_to(images(1), (6, *SHAPE))
    whole = augment(KEY, batch, SOME)
    assert whole.dtype == np.float32
    assert len(np.unique(np.asarray(whole).reshape(6, -1), axis=0)) == 6
    parts = [augment(KEY, batch[:3], SOME), augment(KEY, batch[3:], SOME, first=3)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    assert not np.allclose(augment(jax.random.key(4), batch, SOME), whole)


def test_a_shared_draw_is_the_same_for_all() -> None:
    batch = jnp.broadcast_to(images(1), (3, *SHAPE))
    found = np.asarray(augment(KEY, batch, SOME, shared=True))
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=1e-6)
    assert not np.allclose(found[0], batch[0])


def test_a_single_change_is_one_of_the_names_for_the_whole_batch() -> None:
    batch, names = images(4), ("color", "flip", "cutout")
    seen = set()
    change = jax.jit(lambda key: augment(key, batch, names, StrengthConfig(flip=1.0, brightness=9.0), single=True))
    for seed in range(12):
        found = np.asarray(change(jax.random.key(seed)))
        flipped = np.array_equal(found, batch[:, :, ::-1])
        zeros = (found == 0).all(3).any((1, 2))
        seen.add("flip" if flipped else "cutout" if zeros.all() else "color")
        assert zeros.all() or not zeros.any()
    assert seen == set(names)


def test_randaugment_draws_changes_for_each_image_in_parts_as_in_whole() -> None:
    batch, names = jnp.broadcast_to(images(1), (24, *SHAPE)), ("flip", "cutout")
    strengths = StrengthConfig(flip=1.0)
    found = np.asarray(augment(KEY, batch, names, strengths, number=1))
    flipped = (found == np.asarray(batch[:, :, ::-1])).all((1, 2, 3))
    cut = (found == 0).all(3).any((1, 2))
    assert (flipped ^ cut).all()
    assert 3 < flipped.sum() < 21
    parts = [
        augment(KEY, batch[:9], names, strengths, number=1),
        augment(KEY, batch[9:], names, strengths, number=1, first=9),
    ]
    np.testing.assert_array_equal(np.concatenate(parts), found)
    twice = np.asarray(augment(KEY, batch, ("flip",), strengths, number=2))
    np.testing.assert_array_equal(twice, batch)


@pytest.mark.parametrize("name", ALL)
def test_a_magnitude_of_zero_changes_nothing_and_one_is_the_strength(name: str) -> None:
    batch = images(4)
    np.testing.assert_allclose(augment(KEY, batch, (name,), StrengthConfig(magnitude=0.0)), batch, atol=1e-6)
    half = augment(KEY, batch, (name,), StrengthConfig(magnitude=0.5))
    full = augment(KEY, batch, (name,))
    if name != "flip":
        assert 0 < np.abs(half - batch).mean() < np.abs(full - batch).mean()


def test_flip_mirrors_as_often_as_it_says() -> None:
    image = images(1)[0]
    found = draws("flip", image, count=400, flip=0.25)
    mirrored = (found == np.asarray(image[:, ::-1])).all((1, 2, 3))
    assert np.array_equal(found[~mirrored], np.broadcast_to(image, (int((~mirrored).sum()), *SHAPE)))
    # Five standard deviations of a binomial.
    assert abs(mirrored.sum() - 100) < 5 * np.sqrt(400 * 0.25 * 0.75)


def test_crop_shifts_every_way_up_to_its_part_of_the_side() -> None:
    image = np.asarray(images(1)[0])
    rows, cols = 2, 3  # int(6 * 0.35 + 0.5), int(8 * 0.35 + 0.5)
    padded = np.pad(image, ((rows, rows), (cols, cols), (0, 0)))
    windows = {padded[y : y + 6, x : x + 8].tobytes() for y in range(2 * rows + 1) for x in range(2 * cols + 1)}
    assert {one.tobytes() for one in draws("crop", jnp.asarray(image), count=600, crop=0.35)} == windows


def test_cutout_takes_out_one_rectangle() -> None:
    image = np.asarray(images(1)[0])
    for one in draws("cutout", jnp.asarray(image), cutout=0.5):
        gone = (one == 0).all(2)
        rows, cols = np.flatnonzero(gone.any(1)), np.flatnonzero(gone.any(0))
        # 3 x 4 pixels around a centre in the image; the border cuts off less than half.
        assert 1 < len(rows) <= 3
        assert 1 < len(cols) <= 4
        assert gone[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].all()
        assert gone.sum() == len(rows) * len(cols)
        assert np.array_equal(one[~gone], image[~gone])


def test_color_is_brightness_then_saturation_then_contrast() -> None:
    image = np.asarray(images(1)[0], np.float64)
    strengths = {"brightness": 0.8, "saturation": 1.6, "contrast": 0.4}
    for one in draws("color", jnp.asarray(image), **strengths):
        # Differences between channels see saturation times contrast, those between pixels' means contrast alone.
        gray = image.mean(2)
        contrast = np.ptp(one.mean(2)) / np.ptp(gray)
        both = np.ptp(one[..., 0] - one[..., 1]) / np.ptp(image[..., 0] - image[..., 1])
        brightness = one.mean() - image.mean()
        assert 0.4 <= contrast <= 1.4
        assert 0 <= both / contrast <= 1.6
        assert -0.4 <= brightness <= 0.4
        truth = gray.mean() + brightness + contrast * (gray - gray.mean())[..., None]
        truth = truth + both * (image - gray[..., None])
        np.testing.assert_allclose(one, truth, atol=1e-12)


@pytest.mark.parametrize("name", ["rotate", "scale"])
def test_turns_and_stretches_are_linear_between_pixels_and_zero_beyond(name: str) -> None:
    """scipy, given the matrix that least squares finds from two ramps, makes the same image."""
    ramp = np.stack(np.meshgrid(np.arange(41.0), np.arange(41.0), indexing="ij"), axis=2) - 20
    strengths = {"rotate": 30.0} if name == "rotate" else {"scale": 1.5}
    found = draws(name, jnp.asarray(ramp), count=8, **strengths)
    picture = np.random.default_rng(1).standard_normal((41, 41, 2))
    changed = draws(name, jnp.asarray(picture), count=8, **strengths)
    inner = slice(14, 27)  # where ramps stay ramps
    for one, other in zip(found, changed, strict=True):
        flat = ramp[inner, inner].reshape(-1, 2)
        matrix = np.linalg.lstsq(flat, one[inner, inner].reshape(-1, 2), rcond=None)[0].T
        if name == "rotate":
            np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-12)
            assert abs(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))) <= 30
        else:
            assert matrix == pytest.approx(np.diag(np.diag(matrix)), abs=1e-12)
            assert np.abs(np.log(np.diag(matrix))).max() <= np.log(1.5)
        y, x = np.einsum("ij,hwj->ihw", matrix, ramp) + 20
        for c in range(2):
            truth = ndimage.map_coordinates(picture[..., c], [y, x], order=1, mode="grid-constant")
            np.testing.assert_allclose(other[..., c], truth, atol=1e-9)


def test_changes_are_differentiable() -> None:
    batch = jnp.asarray(np.random.default_rng(2).standard_normal((2, *SHAPE)))
    total = jax.jit(lambda x: jnp.sum(jnp.sin(augment(KEY, x, SOME))))
    direction = jnp.asarray(np.random.default_rng(3).standard_normal(batch.shape))
    slope = (total(batch + 1e-5 * direction) - total(batch - 1e-5 * direction)) / 2e-5
    assert float(slope) == pytest.approx(float(jnp.sum(jax.grad(total)(batch) * direction)), rel=1e-6)
