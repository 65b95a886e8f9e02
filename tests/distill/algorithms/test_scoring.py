"""Scores are those of numpy on the whole matrix, whatever the chunks and devices."""

import numpy as np
import pytest

from kerneldistill.algorithms import gradient
from kerneldistill.algorithms.ensemble import views
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.scoring import evaluate, evaluate_labels, random_support
from kerneldistill.algorithms.support import Support, real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.errors import UserError
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.levels import points
from kerneldistill.pipeline.split import Split
from tests.helpers.kernels import allow, engine, kernel
from tests.helpers.splits import make_split
from tests.helpers.targets_met import targets_met
from tests.helpers.tolerance import FORWARD, assert_close

SHAPE = (6, 6, 1)
NETWORK = fc_net(1)
RIDGE = 1e-3


@pytest.fixture(scope="module")
def own() -> Engine:
    return engine(NETWORK, SHAPE)


@pytest.fixture(scope="module")
def split() -> Split:
    return make_split((9, 7, 5), SHAPE, noise=2.0)


@pytest.fixture(scope="module")
def support() -> Support:
    return real_support(make_split((2, 2, 2), SHAPE, seed=1, noise=2.0), np.arange(6), 3, np.dtype(np.float64))


def directly(own: Engine, support: Support, split: Split) -> tuple[float, float]:
    """Accuracy and half mean square, from whole matrices."""
    k_ss = kernel(own, support.images, support.images)
    k_ts = kernel(own, split.images.astype(np.float64), support.images)
    regularised = k_ss + RIDGE * np.trace(k_ss) / len(k_ss) * np.eye(len(k_ss))
    predictions = k_ts @ np.linalg.solve(regularised, support.labels)
    errors = predictions - (np.eye(3)[split.labels] - 1 / 3)
    return float(np.mean(predictions.argmax(1) == split.labels)), float(0.5 * np.mean(errors**2))


def test_scores_equal_numpy(own: Engine, support: Support, split: Split) -> None:
    accuracy, mse = directly(own, support, split)
    assert 0.4 < accuracy < 1  # so that a constant answer could not pass
    score = evaluate(own, support, Targets(own, split, 3), RIDGE)
    assert score.accuracy == accuracy
    assert score.mse == pytest.approx(mse, rel=FORWARD["float64"])


@pytest.mark.parametrize(("chunk", "devices"), [(4, 2), (8, 1)])
def test_chunks_and_devices_change_nothing(support, split, chunk, devices, monkeypatch) -> None:
    whole = directly(engine(NETWORK, SHAPE, devices=devices), support, split)
    allow(monkeypatch, chunk_points=chunk * 6 * points(NETWORK, *SHAPE), lanes=2, plane_bytes=0)
    own = engine(NETWORK, SHAPE, devices=devices)
    targets = Targets(own, split, 3)
    assert len(list(targets.chunks(6))) == -(-21 // chunk)
    assert evaluate(own, support, targets, RIDGE) == pytest.approx(whole, rel=FORWARD["float64"])


@pytest.mark.parametrize(("names", "count"), [(("flip",), 2), (("shift",), 5), (("flip", "shift"), 10)])
def test_views_average_their_predictions(own: Engine, support: Support, split: Split, names, count: int) -> None:
    seen = views(names)
    assert len(seen) == count
    k_ss = kernel(own, support.images, support.images)
    alpha = np.linalg.solve(k_ss + RIDGE * np.trace(k_ss) / len(k_ss) * np.eye(len(k_ss)), support.labels)
    images = split.images.astype(np.float64)
    each = [kernel(own, images if view is None else view(images, 0), support.images) @ alpha for view in seen]
    predictions = np.mean(each, axis=0)
    score = evaluate(own, support, Targets(own, split, 3), RIDGE, seen)
    assert score.accuracy == np.mean(predictions.argmax(1) == split.labels)
    errors = predictions - (np.eye(3)[split.labels] - 1 / 3)
    assert score.mse == pytest.approx(0.5 * np.mean(errors**2), rel=FORWARD["float64"])
    assert score.mse != pytest.approx(evaluate(own, support, Targets(own, split, 3), RIDGE).mse, rel=1e-6)


def test_views_move_pixels_as_they_say() -> None:
    image = np.arange(12.0).reshape(1, 3, 4, 1) + 1
    _, right, left, down, up = views(("shift",))
    assert np.array_equal(right(image, 0)[0, :, 1:, 0], image[0, :, :-1, 0])
    assert not right(image, 0)[0, :, 0].any()
    assert np.array_equal(left(image, 0)[0, :, :-1, 0], image[0, :, 1:, 0])
    assert np.array_equal(down(image, 0)[0, 1:], image[0, :-1])
    assert np.array_equal(up(image, 0)[0, :-1], image[0, 1:])
    _, mirrored = views(("flip", "flip"))
    assert np.array_equal(mirrored(image, 0), image[:, :, ::-1])


def test_equal_images_with_no_ridge_are_refused(own: Engine, support: Support, split: Split) -> None:
    twice = Support(np.concatenate([support.images[:3]] * 2), support.labels)
    with pytest.raises(UserError, match=r"krr\.ridge is 0"):
        evaluate(own, twice, Targets(own, split, 3), 0.0)


def test_random_supports_are_balanced_real_images(own: Engine, split: Split) -> None:
    first, second = (random_support(split, 3, 7, seed=4, draw=draw, dtype=own.dtype) for draw in (0, 1))
    rows = balanced(split.labels, 3, 7, generator(4, Stream.BASELINE, 0))
    assert np.array_equal(first.images, split.images[rows].astype(np.float64))
    assert first.images.dtype == own.dtype
    assert np.array_equal(first.labels, centred_one_hot(split.labels[rows], 3))
    assert not np.array_equal(first.images, second.images)


def test_several_labels_of_the_same_images_cost_one_kernel(own, split, support, monkeypatch) -> None:
    targets, other = Targets(own, split, 3), np.random.default_rng(0).standard_normal(support.labels.shape)
    apart = [evaluate(own, Support(support.images, labels), targets, RIDGE) for labels in (support.labels, other)]
    met = targets_met(monkeypatch, gradient)
    together = evaluate_labels(own, support.images, [support.labels, other], targets, RIDGE)
    assert sum(met) == len(split)
    for one, two in zip(together, apart, strict=True):
        assert one.accuracy == two.accuracy
        assert_close(np.array(one.mse), np.array(two.mse), FORWARD["float64"])
    assert together[0].mse != together[1].mse
