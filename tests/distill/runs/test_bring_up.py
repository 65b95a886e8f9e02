"""A learned set comes into the space of other data as the same picture, with the labels that fit there."""

from dataclasses import replace

import numpy as np
import pytest

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config, KernelConfig, SupportConfig
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.whitening.registry import WHITENINGS
from kerneldistill.runs.bring_up import Learned, brought_up, refitted, resized, start_from
from tests.helpers.bundles import make_source
from tests.helpers.tolerance import assert_close
from tests.helpers.whiteners import fit_whitener

LABELS = (np.arange(240) % 3).astype(np.int32)


def smooth(size: int) -> np.ndarray:
    """Real images of three classes: waves of a direction and a length for each class, under noise; uint8."""
    rng = np.random.default_rng(0)
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    directions = [((1, 0), (0, 1), (1, 1))[label] for label in LABELS]
    angles = np.stack([2 * np.pi * (f * x + g * y) for f, g in directions])[..., None]
    waves = np.sin(angles + rng.uniform(0, 7, (240, 1, 1, 3))) * rng.uniform(20, 90, (240, 1, 1, 1))
    return (128 + waves + rng.normal(0, 4, waves.shape)).clip(0, 255).astype(np.uint8)


def data_of(kind: str, size: int) -> Prepared:
    pixels = smooth(size)
    whitener = fit_whitener(kind, pixels)
    split = Split(whitener.apply(pixels), LABELS)
    source = replace(make_source(), image_shape=(size, size, 3))
    return Prepared(split, split, split, whitener, source, pixels[:8])


def learned_like(data: Prepared, factor: float = 3.0) -> np.ndarray:
    """Images that no whitening could give: three times as long as real ones."""
    return (factor * data.train.images[:6]).astype(np.float32)


@pytest.mark.parametrize("kind", WHITENINGS)
def test_in_its_own_space_a_set_stays_as_it_is(kind: str) -> None:
    data = data_of(kind, 8)
    images = learned_like(data)
    assert brought_up(images, data.whitener, data) is images


@pytest.mark.parametrize("kind", WHITENINGS)
def test_to_the_same_size_and_back_is_the_identity(kind: str) -> None:
    fine, other = data_of(kind, 8), data_of("standard", 8)
    images = learned_like(fine)
    there = brought_up(images, fine.whitener, other)
    assert_close(brought_up(there, other.whitener, fine), images, 1e-4)
    # Another fit of the same kind: what it forgets of the length comes back.
    shifted = replace(
        fine.whitener, channel_std=1.3 * fine.whitener.channel_std, channel_mean=fine.whitener.channel_mean
    )
    near = replace(fine, whitener=shifted)
    assert_close(brought_up(brought_up(images, fine.whitener, near), shifted, fine), images, 1e-4)


@pytest.mark.parametrize("kind", WHITENINGS)
def test_a_set_is_brought_up_as_the_same_picture_of_the_same_contrast(kind: str) -> None:
    coarse, fine = data_of(kind, 8), data_of(kind, 16)
    images = learned_like(coarse)
    up = brought_up(images, coarse.whitener, fine)
    assert up.shape == (6, 16, 16, 3)
    assert up.dtype == np.float32
    before = coarse.whitener.invert(images)
    after = fine.whitener.invert(up).reshape(6, 8, 2, 8, 2, 3).mean((2, 4))
    flat = [pixels.reshape(6, -1) - pixels.reshape(6, -1).mean(1, keepdims=True) for pixels in (before, after)]
    alike = [np.corrcoef(one, other)[0, 1] for one, other in zip(*flat, strict=True)]
    assert min(alike) > 0.99
    # Relative to real images; a bicubic filter takes a little off.
    ratio = np.linalg.norm(flat[1], axis=1) / np.linalg.norm(flat[0], axis=1)
    assert np.abs(ratio - 1).max() < 0.1


def test_real_images_of_a_small_size_come_near_those_of_the_large_one() -> None:
    pixels = smooth(16)
    small = resized(pixels, (8, 8, 3))
    assert small.shape == (240, 8, 8, 3)
    # The filter averages where it makes smaller: means of 2x2 are near.
    assert np.abs(small - pixels.reshape(240, 8, 2, 8, 2, 3).mean((2, 4))).mean() < 4
    back = resized(small, (16, 16, 3))
    assert np.abs(back - pixels).mean() < 6
    assert resized(pixels, (16, 16, 3)) is pixels
    assert_close(resized(np.full((1, 4, 6, 1), 3.0), (8, 12, 1)), np.full((1, 8, 12, 1), 3.0), 1e-6)


def config_of(learn_labels: bool = True, flip: bool = False) -> Config:
    kernel = KernelConfig("conv_net", 2, dtype="float64")
    return replace(PRESETS["digits"], kernel=kernel, support=SupportConfig(6, learn_labels, flip=flip))


def test_labels_are_the_least_squares_truth() -> None:
    data, config = data_of("standard", 8), config_of()
    images = learned_like(data).astype(np.float64)
    found = refitted(Support(images, np.zeros((6, 3))), config, data)
    engine = engine_of(config.kernel, (8, 8, 3))
    support, targets = (engine.support_features(images), engine.target_features(data.train.images.astype(np.float64)))
    k_ss = np.asarray(engine.k_ts(support, engine.target_features(images)), np.float64)[:6]
    k_ts = np.asarray(engine.k_ts(support, targets), np.float64)[:240]
    alpha, *_ = np.linalg.lstsq(k_ts, centred_one_hot(LABELS, 3))
    ridge = config.krr.ridge * np.trace(k_ss) / 6
    assert_close(found.labels, (k_ss + ridge * np.eye(6)) @ alpha, 1e-6)
    assert_close(Regression(k_ss, config.krr.ridge).solve(found.labels), alpha, 1e-6)


@pytest.mark.parametrize("flip", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_refitted_labels_predict_better_than_those_that_came(flip: bool) -> None:
    coarse, fine, config = data_of("kip_zca", 8), data_of("kip_zca", 16), config_of(flip=flip)
    labels = centred_one_hot(np.arange(6) // 2, 3)
    set_ = Learned(learned_like(coarse), labels, np.arange(6) // 2, coarse.whitener)
    kept, fitted = (start_from(set_, config, fine, refit) for refit in (False, True))
    assert np.array_equal(kept.support.labels, labels)
    assert np.array_equal(kept.support.images, fitted.support.images)
    assert not np.allclose(fitted.support.labels, labels)
    engine = engine_of(config.kernel, (16, 16, 3))
    targets = Targets(engine, fine.train, 3)
    scores = [evaluate(engine, start.support, targets, config.krr.ridge) for start in (kept, fitted)]
    if not flip:
        assert scores[1].mse < scores[0].mse
    assert (fitted.init_indices == -1).all()


def test_labels_that_are_not_learned_stay() -> None:
    coarse, fine = data_of("kip_zca", 8), data_of("kip_zca", 16)
    labels = centred_one_hot(np.arange(6) // 2, 3)
    set_ = Learned(learned_like(coarse), labels, np.arange(6) // 2, coarse.whitener)
    start = start_from(set_, config_of(learn_labels=False), fine, refit=True)
    assert np.array_equal(start.support.labels, labels)
    assert start.support.images.dtype == np.float64
    assert start.class_ids.dtype == np.int32
