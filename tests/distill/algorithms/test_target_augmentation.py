"""Targets are changed as pictures are, whatever their whitening; the kernel sees the deviations of what they became."""

import pickle

import jax
import numpy as np
import pytest

from kerneldistill.algorithms.augmentations import augment
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.random_streams import Stream, seed_of
from kerneldistill.algorithms.target_augmentation import Augmentation
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.schema import AugmentationName, AugmentConfig, StrengthConfig
from kerneldistill.kernels.architectures import conv_net
from kerneldistill.kernels.levels import points
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.whitening.moments import ChannelMoments
from kerneldistill.pipeline.whitening.registry import WHITENINGS
from tests.helpers.bundles import SHAPE, fitted
from tests.helpers.kernels import allow, engine
from tests.helpers.tolerance import FORWARD, assert_close

PIXELS = np.random.default_rng(0).integers(0, 256, (120, *SHAPE)).astype(np.uint8)
KINDS = WHITENINGS


def augmentation(kind: str, *names: AugmentationName, **strengths: float) -> Augmentation:
    whitener = fitted(kind, PIXELS)
    config = AugmentConfig(names, strength=StrengthConfig(**strengths))
    return Augmentation.of(config, whitener, whitener.apply(PIXELS), seed=3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mirror_image_is_that_of_the_picture(kind: str) -> None:
    own = augmentation(kind, "flip", flip=1.0)
    whitened = own.whitener.apply(PIXELS[:5])
    elsewhere = pickle.loads(pickle.dumps(own.at(0)))
    assert np.array_equal(elsewhere(whitened, 0), own.at(0)(whitened, 0))
    assert_close(own.at(0)(whitened, 0), own.whitener.apply(PIXELS[:5, :, ::-1]), 1e-4)


@pytest.mark.parametrize("kind", ["none", "standard", "kornia_zca"])
def test_colours_change_by_what_the_pixels_deviate(kind: str) -> None:
    """As DSA changes channel-standardised pixels, whatever the images are whitened to."""
    own = augmentation(kind, "color")
    moments = ChannelMoments.of(PIXELS)
    mean, std = moments.mean().astype(np.float32), moments.std().astype(np.float32)
    key = jax.random.key(seed_of(3, Stream.AUGMENT, 7))
    truth = np.asarray(augment(key, (PIXELS[:5] - mean) / std, ("color",))) * std + mean
    assert_close(own.at(7)(own.whitener.apply(PIXELS[:5]), 0), own.whitener.apply(truth), 1e-4)


def test_what_the_whitening_forgets_stays_forgotten() -> None:
    own = augmentation("kip_zca", "color", saturation=0.0)
    found = own.at(0)(own.whitener.apply(PIXELS[:5]), 0)
    again = own.whitener.apply(own.whitener.invert(found))
    assert_close(found, again, 1e-4)


def test_the_kernel_is_that_of_the_changed_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the deviations that belong to them, also where those of the images themselves were computed before."""
    own = augmentation("standard", "crop", "color")
    network = conv_net(1, prepend=False)
    allow(monkeypatch, chunk_points=4 * points(network, *SHAPE), lanes=2, plane_bytes=0)
    exact = engine(network, SHAPE)
    split = Split(own.whitener.apply(PIXELS[:12]), np.arange(12, dtype=np.int32) % 3)
    targets = Targets(exact, split, 3)
    list(targets.chunks(1))
    rows, support = np.array([7, 1, 3, 0, 11, 2, 5, 9, 4, 8]), split.images[:2].astype(np.float64)
    placed = exact.support_features(support)
    chunks = list(targets.chunks(1, rows, own.at(5)))
    assert len(chunks) == 3
    found = [np.asarray(exact.k_ts(placed, one.features))[: len(one.labels)] for one in chunks]
    changed = own.at(5)(split.images[rows].astype(np.float64), 0)
    truth = exact.k_ts(placed, exact.target_features(changed))
    assert_close(np.concatenate(found), truth, FORWARD["float32"])  # augmentation has the precision of pixels
    assert np.abs(truth - np.asarray(exact.k_ts(placed, exact.target_features(targets.images[rows])))).max() > 1e-2
    assert np.array_equal(
        np.concatenate([one.labels for one in chunks]), centred_one_hot(targets.split.labels[rows], 3)
    )
