"""Label Solve finds the least-norm labels of the whole problem, though it never holds its matrix."""

import numpy as np
import pytest

import kernels.engine
from distill.evaluate import evaluate
from distill.label_solve import label_solve
from distill.support import Support, centred_one_hot
from distill.targets import Targets
from kernels.engine import Engine
from kernels.levels import points
from kernels.networks import fc_net
from pipeline.split import Split
from tests.helpers.kernels import engine, kernel
from tests.helpers.splits import make_split
from tests.helpers.tolerance import GRADIENT, assert_close

SHAPE = (6, 6, 1)
NETWORK = fc_net(1)
RIDGE = 1e-4
# Far above the rounding of the solve, far below every direction that the targets decide.
NO_DIRECTION = 1e-6


@pytest.fixture(scope="module")
def own() -> Engine:
    return engine(NETWORK, SHAPE)


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split((19, 17, 13), SHAPE, noise=2.0)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return make_split((2, 2, 2), SHAPE, seed=1, noise=2.0).images.astype(np.float64)


def directly(own: Engine, images: np.ndarray, split: Split) -> np.ndarray:
    """The least-norm labels, from the whole matrix."""
    k_ss = kernel(own, images, images)
    k_ts = kernel(own, split.images.astype(np.float64), images)
    regularised = k_ss + RIDGE * np.trace(k_ss) / len(images) * np.eye(len(images))
    design = np.linalg.solve(regularised, k_ts.T).T
    return np.linalg.lstsq(design, centred_one_hot(split.labels, 3), rcond=NO_DIRECTION)[0]


@pytest.mark.parametrize("chunk", [4, 16, 1000])
def test_labels_are_those_of_the_whole_problem(own, images, split, chunk, monkeypatch) -> None:
    # Chunks smaller and larger than the triangle of 6 + 3 columns.
    monkeypatch.setattr(kernels.engine.Engine, "group", 2)
    monkeypatch.setattr(kernels.engine, "CHUNK_POINTS", chunk * 6 * points(NETWORK, *SHAPE))
    targets = Targets(own, split, 3)
    assert len(list(targets.chunks(6))) == (1 if chunk == 1000 else -(-49 // chunk))
    solved = label_solve(own, images, targets, RIDGE)
    assert solved.images is images
    assert_close(solved.labels, directly(own, images, split), GRADIENT["float64"])


@pytest.mark.parametrize("copies", [1, 3])
def test_equal_images_share_the_least_labels(own: Engine, images: np.ndarray, split: Split, copies: int) -> None:
    images = images.copy()
    images[-copies:] = images[:copies]
    labels = label_solve(own, images, Targets(own, split, 3), RIDGE).labels
    # The rounding of the solve, about 1e-16 / RIDGE, is all that tells equal images apart.
    assert_close(labels[-copies:], labels[:copies], 1e-9)
    assert_close(labels, directly(own, images, split), GRADIENT["float64"])


def test_fewer_targets_than_images(own: Engine, images: np.ndarray) -> None:
    few = make_split((1, 1, 2), SHAPE, seed=2)
    labels = label_solve(own, images, Targets(own, few, 3), RIDGE).labels
    assert_close(labels, directly(own, images, few), GRADIENT["float64"])


def test_no_other_labels_predict_the_targets_better(own: Engine, images: np.ndarray, split: Split) -> None:
    targets = Targets(own, split, 3)
    solved = label_solve(own, images, targets, RIDGE)
    least = evaluate(own, solved, targets, RIDGE).mse
    rng = np.random.default_rng(0)
    for _ in range(5):
        moved = solved.labels + 1e-2 * rng.standard_normal(solved.labels.shape)
        assert evaluate(own, Support(images, moved), targets, RIDGE).mse > least
