"""What is done to images while networks train on them: against plain loops over pixels, and the unit of strengths."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from kerneldistill.evaluation.augmentation import Augmentation
from kerneldistill.evaluation.changes import FAMILIES, changed
from tests.helpers.kernels import images

IMAGE = images(1, (12, 12, 2), np.float32)[0]
MEAN = np.array([[[0.25, -0.5]]], np.float32)
EVERY = [(family, name) for family, found in FAMILIES.items() for name in found.changes]


compiled = lru_cache(jax.jit)
change = jax.jit(changed, static_argnames="augmentation")


def made(family: str, name: str, seed: int, image: np.ndarray = IMAGE) -> np.ndarray:
    return np.asarray(compiled(FAMILIES[family].changes[name])(jax.random.key(seed), image, MEAN))


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_a_change_keeps_shape_and_type_and_follows_its_key(family: str, name: str) -> None:
    found = [made(family, name, seed) for seed in range(8)]
    assert all(each.shape == IMAGE.shape and each.dtype == IMAGE.dtype and np.isfinite(each).all() for each in found)
    assert any((each != found[0]).any() for each in found[1:])
    np.testing.assert_array_equal(found[0], made(family, name, 0))


def test_dc_crops_from_a_border_of_the_mean() -> None:
    padded = np.empty((20, 20, 2), np.float32)
    padded[:] = MEAN
    padded[4:16, 4:16] = IMAGE
    starts = set()
    for seed in range(60):
        found = made("dc", "crop", seed)
        same = [
            (r, c) for r in range(9) for c in range(9) if np.allclose(padded[r : r + 12, c : c + 12], found, atol=1e-6)
        ]
        assert len(same) == 1
        starts |= set(same)
    assert max(max(each) for each in starts) == 7


def test_dc_scales_by_the_nearest_pixel() -> None:
    """As `scalefun`, with its sides drawn anew: the picture is one of those that a side of 9 to 14 pixels gives."""

    def scaled(h: int, w: int) -> np.ndarray:
        small = IMAGE[np.arange(h) * 12 // h][:, np.arange(w) * 12 // w]
        most = max(h, w, 12)
        canvas = np.zeros((most, most, 2), np.float32)
        r, c = (most - h) // 2, (most - w) // 2
        canvas[r : r + h, c : c + w] = small
        r = (most - 12) // 2
        return canvas[r : r + 12, r : r + 12]

    for seed in range(30):
        found = made("dc", "scale", seed)
        assert any(np.array_equal(found, scaled(h, w)) for h in range(9, 15) for w in range(9, 15))


def test_dc_turns_by_whole_degrees_over_the_mean() -> None:
    for seed in range(3):
        found = made("dc", "rotate", seed)
        turned = [
            ndimage.rotate(IMAGE, angle, (0, 1), reshape=False, order=1, cval=MEAN.mean()) for angle in range(-45, 45)
        ]
        inside = np.s_[3:9, 3:9]
        assert min(np.abs(each[inside] - found[inside]).max() for each in turned) < 1e-3


def test_frepo_moves_pixels_and_repeats_the_border() -> None:
    for name in ("crop", "rotate", "translate"):
        found = np.stack([made("frepo", name, seed) for seed in range(20)])
        assert found.min() >= IMAGE.min() - 1e-5
        assert found.max() <= IMAGE.max() + 1e-5
        np.testing.assert_allclose(made("frepo", name, 0, np.ones_like(IMAGE)), 1, atol=1e-6)


def test_frepo_cuts_a_square_inside() -> None:
    for seed in range(20):
        found = made("frepo", "cutout", seed)
        assert ((found == 0).all(2)).sum() == 9
        np.testing.assert_array_equal(found[found != 0], IMAGE[found != 0])


def test_frepo_colours_by_factors_around_the_means() -> None:
    found = made("frepo", "color", 1)
    b, c, s = np.asarray(jax.random.uniform(jax.random.key(1), (3,), jnp.float32, -0.25, 0.25))
    image = IMAGE + b
    image = image.mean() + np.exp(c) * (image - image.mean())
    grey = image.mean(2, keepdims=True)
    np.testing.assert_allclose(found, grey + np.exp(s) * (image - grey), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_strengths_are_in_deviations_of_the_data(family: str, name: str) -> None:
    """Images of half the contrast are changed as the others are, at half the contrast."""
    batch, own = images(4, (8, 8, 2), np.float32), Augmentation(family, (name,))
    whole, half = (change(jax.random.key(2), batch * part, own, jnp.float32(part)) for part in (1.0, 0.5))
    np.testing.assert_allclose(half, whole / 2, atol=1e-5)


def test_randaugment_makes_two_changes_of_each_image() -> None:
    batch = images(32, (8, 8, 2), np.float32)
    own = Augmentation("rand", ("flip", "cutout"), number=2)
    found = np.asarray(change(jax.random.key(0), batch, own, jnp.float32(1)))
    cut = (found == 0).all(3).any((1, 2))
    same, mirrored = ((found == other).mean((1, 2, 3)) > 0.4 for other in (batch, batch[:, :, ::-1]))
    assert (same | mirrored).all()
    # Cut once or twice, or mirrored by chance, back, once, or not at all: all of it happens.
    assert len({*zip(cut.tolist(), mirrored.tolist(), strict=True)}) == 4


@pytest.mark.parametrize(("family", "other", "each"), [("dc", "noise", True), ("frepo", "cutout", False)])
def test_dc_draws_a_change_for_each_image_and_frepo_one_for_all(family: str, other: str, each: bool) -> None:
    batch, kinds = images(16, (8, 8, 2), np.float32), set()
    for seed in range(6):
        found = np.asarray(change(jax.random.key(seed), batch, Augmentation(family, ("crop", other)), jnp.float32(1)))
        # A hole of 2 x 2 pixels is zero; noise moves no pixel far.
        kept = (found == 0).sum((1, 2, 3)) == 8 if other == "cutout" else np.abs(found - batch).max((1, 2, 3)) < 0.01
        kinds.add((bool(kept.any()), bool(kept.all())))
    assert ((True, False) in kinds) is each
    assert len(kinds) > 1 or each
