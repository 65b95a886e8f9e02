"""The regression from features is that of their kernel, in the dual and in the primal, with its gradient and labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerneldistill.algorithms.targets
from kerneldistill.algorithms.feature_fit import FeatureFit
from kerneldistill.algorithms.feature_regression import FeatureRegression
from kerneldistill.algorithms.gradient import KernelFit, fit_of, loss_and_gradient
from kerneldistill.algorithms.label_solve import _label_solve, label_solve
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.feature_kernel import features
from tests.helpers.encoders import SHAPE, D, encoder
from tests.helpers.splits import make_split
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

PHI = encoder()
B_STD, RIDGE = 0.3, 1e-2
SPLIT = make_split((9, 7, 5), SHAPE)
# Fewer images than features, and more.
SIZES = {"dual": D - 1, "primal": 3 * D}


def engine(dtype: str = "float64", phi=PHI) -> FeatureEngine:
    return FeatureEngine(features(phi, B_STD), SHAPE, np.dtype(dtype), tuple(jax.devices()[:2]))


def support(size: int) -> Support:
    rng = np.random.default_rng(5)
    return Support(rng.standard_normal((size, *SHAPE)), rng.standard_normal((size, 3)))


@pytest.mark.parametrize("name", SIZES)
def test_the_gradient_is_that_of_plain_differentiation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kerneldistill.algorithms.targets, "CHUNK", 4)
    given, own = support(SIZES[name]), engine()

    def loss(x: jax.Array, y: jax.Array) -> jax.Array:
        k_ss = PHI(x) @ PHI(x).T + B_STD**2
        k_ts = PHI(jnp.asarray(SPLIT.images, jnp.float64)) @ PHI(x).T + B_STD**2
        alpha = jnp.linalg.solve(k_ss + RIDGE * jnp.trace(k_ss) / len(x) * jnp.eye(len(x)), y)
        return 0.5 * jnp.mean((k_ts @ alpha - centred_one_hot(SPLIT.labels, 3)) ** 2)

    value, (by_images, by_labels) = jax.jit(jax.value_and_grad(loss, (0, 1)))(*map(jnp.asarray, given))
    chunks = Targets(own, SPLIT, 3).chunks(len(given.images))
    assert len(chunks) == 6
    found = loss_and_gradient(own, given, chunks, RIDGE, half_mse)
    assert isinstance(fit_of(own, given, RIDGE), FeatureFit)
    assert fit_of(own, given, RIDGE).regression.is_primal == (name == "primal")
    assert found.loss == pytest.approx(float(value), rel=FORWARD["float64"])
    assert_close(found.images, by_images, GRADIENT["float64"])
    assert_close(found.labels, by_labels, GRADIENT["float64"])
    assert 1 < found.regression.condition < 1e6


@pytest.mark.parametrize("name", SIZES)
def test_predictions_are_those_of_the_blocks_of_the_kernel(name: str) -> None:
    given, own = support(SIZES[name]), engine()
    targets = Targets(own, SPLIT, 3)
    (chunk,) = targets.chunks(len(given.images))
    truth = KernelFit(own, given, RIDGE).predict(chunk.features, len(SPLIT))
    assert_close(FeatureFit(own, given, RIDGE).predict(chunk.features, len(SPLIT)), truth, 1e-9)
    score = evaluate(own, given, targets, RIDGE)
    assert score.accuracy == np.mean(truth.argmax(1) == SPLIT.labels)
    views = evaluate(own, given, targets, RIDGE, (None, lambda images, first: images[:, :, ::-1]))
    assert 0 < abs(views.mse - score.mse) < 1


@pytest.mark.parametrize("flip", [False, True], ids=["", "flip"])
@pytest.mark.parametrize("size", [2 * D, 60])
def test_label_solve_is_that_of_the_kernel(size: int, flip: bool) -> None:
    """The dense one takes a triangle of as many rows as images; from 60 it is of rank 6."""
    own, images = engine(), support(size).images
    targets = Targets(own, SPLIT, 3)
    found = label_solve(own, images, targets, RIDGE, flip).labels
    source = regressed(Support(images, np.zeros((size, 0))), flip).images
    dense = _label_solve(own, source, targets, RIDGE, size)
    assert_close(found, dense, 1e-7)
    best = evaluate(own, regressed(Support(images, found), flip), targets, RIDGE).mse
    worse = evaluate(own, regressed(Support(images, found * 1.01), flip), targets, RIDGE).mse
    assert best < worse


def test_label_solve_of_few_images_is_the_dense_one() -> None:
    own, images = engine(), support(D - 1).images
    targets = Targets(own, SPLIT, 3)
    found = label_solve(own, images, targets, RIDGE).labels
    assert np.array_equal(found, _label_solve(own, images, targets, RIDGE, D - 1))


@pytest.mark.parametrize("size", SIZES.values())
def test_a_design_is_linear_in_labels(size: int) -> None:
    rng = np.random.default_rng(0)
    regression = FeatureRegression(rng.standard_normal((size, D)), 1e-3)
    labels = rng.standard_normal((size, 2))
    assert_close(regression.design() @ labels, regression.fit(labels).of_features, 1e-10)


@pytest.mark.parametrize("size", SIZES.values())
def test_what_cannot_be_solved_is_named(size: int) -> None:
    values = np.random.default_rng(0).standard_normal((size, D))
    values[2] = np.nan
    with pytest.raises(NumericalError, match=r"not finite.*image 2"):
        FeatureRegression(values, 1e-3).fit(np.zeros((size, 2)))
    with pytest.raises(NumericalError, match=r"krr.ridge is 0, too small"):
        FeatureRegression(np.ones((size, D)), 0.0).fit(np.zeros((size, 2)))
