"""Chunks hold every target once, in order, with the labels and deviations of its own, whatever their size."""

import jax
import numpy as np
import pytest

import kerneldistill.kernels.exact_engine
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.image_features import features
from kerneldistill.kernels.levels import points
from kerneldistill.pipeline.split import Split
from tests.helpers.kernels import allow, engine
from tests.helpers.splits import make_split
from tests.helpers.tolerance import FORWARD, assert_close

SHAPE = (4, 4, 1)
NETWORK = fc_net(1)


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split((5, 6, 4), SHAPE)


def targets_of(split: Split, chunk: int, monkeypatch: pytest.MonkeyPatch, devices: int = 2) -> Targets:
    """Targets that come in chunks of `chunk` for one row."""
    allow(monkeypatch, chunk_points=chunk * points(NETWORK, *SHAPE), lanes=1, plane_bytes=0)
    return Targets(engine(NETWORK, SHAPE, devices=devices), split, 3)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("chunk", [2, 6, 15, 1000])
def test_every_target_comes_once_with_its_own(
    split: Split, chunk: int, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = targets_of(split, chunk, monkeypatch, devices)
    chunks = list(targets.chunks(1))
    counts = [len(c.labels) for c in chunks]
    assert sum(counts) == len(targets) == 15
    assert len(chunks) == (1 if chunk >= 15 else -(-15 // chunk))
    # One shape for all, so one compiled program; shared evenly by the devices.
    assert len({c.features.images.shape for c in chunks}) == 1
    assert all(len(c.features) % devices == 0 for c in chunks)
    images, *stds = (
        np.concatenate([np.asarray(part)[:n] for part, n in zip(parts, counts, strict=True)])
        for parts in zip(*([c.features.images, *c.features.stds.values()] for c in chunks), strict=True)
    )
    assert np.array_equal(images, split.images.astype(np.float64))
    truth = jax.jit(lambda x: features(NETWORK, x))(split.images.astype(np.float64)).stds.values()
    for found, true in zip(stds, truth, strict=True):
        assert_close(found, true, FORWARD["float64"])
    assert np.array_equal(np.concatenate([c.labels for c in chunks]), centred_one_hot(split.labels, 3))


def test_rows_choose_and_order(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([14, 3, 3, 0, 7])
    chunks = list(targets_of(split, 2, monkeypatch).chunks(1, rows))
    assert len(chunks) == 3
    images = np.concatenate([np.asarray(c.features.images)[: len(c.labels)] for c in chunks])
    assert np.array_equal(images, split.images[rows].astype(np.float64))
    assert np.array_equal(np.concatenate([c.labels for c in chunks]), centred_one_hot(split.labels[rows], 3))


def test_deviations_are_computed_once(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = targets_of(split, 1000, monkeypatch)
    list(targets.chunks(1))
    monkeypatch.setattr(kerneldistill.kernels.exact_engine.ExactEngine, "target_features", None)
    assert len(list(targets.chunks(1, np.array([1, 2])))) == 1


def test_labels_are_centred_one_hot() -> None:
    labels = centred_one_hot(np.array([2, 0], np.int32), 4)
    assert labels.dtype == np.float64
    assert labels.tolist() == [[-0.25, -0.25, 0.75, -0.25], [0.75, -0.25, -0.25, -0.25]]
