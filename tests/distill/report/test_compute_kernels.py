"""Kernels with test images: the library's own, of the images they are said to be of."""

import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.support import Start, Support, real_support
from kerneldistill.config.schema import Config, DataConfig, KernelConfig, SupportConfig
from kerneldistill.kernels.architectures import conv_net, fc_net
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.report.compute_kernels import measure, own_variances, spread
from kerneldistill.runs.outcome import Outcome
from tests.helpers.bundles import NAMES, SHAPE, fitted, make_source
from tests.helpers.splits import make_split

CONFIG = Config(
    data=DataConfig(),
    kernel=KernelConfig(network="fc", depth=1, dtype="float64"),
    support=SupportConfig(size=6),
)


@pytest.fixture(scope="module")
def data() -> Prepared:
    pixels = np.random.default_rng(0).integers(0, 256, (60, *SHAPE), dtype=np.uint8)
    train, test = (make_split((n,) * 3, SHAPE, seed) for n, seed in ((10, 0), (9, 1)))
    return Prepared(train, train, test, fitted("standard", pixels), make_source(), pixels[:8])


@pytest.fixture(scope="module")
def outcome(data: Prepared) -> Outcome:
    start = real_support(data.train, np.arange(6), len(NAMES), np.dtype("float64"))
    learned = Support(start.images + 0.3, start.labels)
    return Outcome(learned, Start(start, np.arange(6), data.train.labels[:6]), 3, "fixed", 1e-6)


def test_the_blocks_are_the_kernels_of_those_images(
    data: Prepared, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measure(CONFIG.kernel, outcome.support, outcome.start.support, data, test_images=9)
    rows = np.arange(9) * 3
    test = data.test.images[rows].astype(np.float64)
    start = data.train.images[:6].astype(np.float64)
    every = jnp.asarray(np.concatenate([outcome.support.images, start, test]))
    ntk, nngp = (np.asarray(gram(fc_net(1), every, every, get)) for get in ("ntk", "nngp"))
    for whole, blocks in ((ntk, found.ntk), (nngp, found.nngp)):
        np.testing.assert_allclose(blocks.ss, whole[:6, :6], rtol=1e-10)
        np.testing.assert_allclose(blocks.ts, whole[12:, :6], rtol=1e-10)
    np.testing.assert_allclose(found.start.ss, ntk[6:12, 6:12], rtol=1e-10)
    np.testing.assert_allclose(found.start.ts, ntk[12:, 6:12], rtol=1e-10)
    np.testing.assert_allclose(found.own, np.diag(nngp)[12:], rtol=1e-10)
    monkeypatch.setattr("kerneldistill.report.compute_kernels._ROWS", 4)
    np.testing.assert_allclose(own_variances(fc_net(1), test), found.own, rtol=1e-12)
    np.testing.assert_array_equal(found.test_labels, data.test.labels[rows])
    assert found.test_size == 27
    np.testing.assert_array_equal(found.start_labels, centred_one_hot(data.train.labels[:6], 3))
    np.testing.assert_array_equal(found.start_images, data.train.images[:6])
    np.testing.assert_allclose(data.whitener.apply(found.start_pixels), data.train.images[:6], atol=1e-4)
    wanted = np.clip(data.whitener.invert(data.test.images[rows]), 0, 255)
    assert np.abs(found.test_pixels - wanted).max() <= 0.5


@pytest.mark.slow
def test_own_variances_of_a_convolution_in_several_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerneldistill.report.compute_kernels._ROWS", 3)
    network, images = conv_net(1), np.random.default_rng(0).normal(size=(4, 4, 4, 1))
    np.testing.assert_allclose(
        own_variances(network, images), np.diag(gram(network, jnp.asarray(images), jnp.asarray(images), "nngp"))
    )


def test_some_of_a_sorted_split_are_of_all_classes() -> None:
    labels = np.repeat(np.arange(10), 100).astype(np.int32)
    split = Split(np.zeros((1000, 1, 1, 1), np.float32), labels)
    np.testing.assert_array_equal(np.bincount(spread(split, 50).labels), np.full(10, 5))
    assert len(spread(split, 5000)) == 1000
    np.testing.assert_array_equal(spread(split, 1000).labels, labels)
