"""The regression is its formula, its pullback the derivative, and what cannot be solved is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kerneldistill.algorithms.krr
from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.errors import UserError
from tests.helpers.tolerance import FORWARD, GRADIENT, assert_close

SIZE, CLASSES, TARGETS = 7, 3, 11
RIDGE = 0.02


@pytest.fixture
def k_ss() -> np.ndarray:
    root = np.random.default_rng(0).standard_normal((SIZE, SIZE))
    return root @ root.T + 0.3 * np.eye(SIZE)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((SIZE, CLASSES))


def formula(k_ss: jax.Array, labels: jax.Array) -> jax.Array:
    """alpha, as KIP writes it."""
    return jnp.linalg.solve(k_ss + RIDGE * jnp.trace(k_ss) / SIZE * jnp.eye(SIZE), labels)


def test_solve_is_the_formula(k_ss: np.ndarray, labels: np.ndarray) -> None:
    regularised = k_ss + RIDGE * np.trace(k_ss) / SIZE * np.eye(SIZE)
    assert_close(Regression(k_ss, RIDGE).solve(labels), np.linalg.solve(regularised, labels), FORWARD["float64"])
    assert_close(Regression(k_ss, RIDGE).solve(labels[:, 0]), np.linalg.solve(regularised, labels)[:, 0], 1e-10)


def test_the_ridge_follows_the_scale_of_the_kernel(k_ss: np.ndarray, labels: np.ndarray) -> None:
    assert_close(1e6 * Regression(1e6 * k_ss, RIDGE).solve(labels), Regression(k_ss, RIDGE).solve(labels), 1e-10)


def test_pull_back_is_the_derivative(k_ss: np.ndarray, labels: np.ndarray) -> None:
    g_alpha = np.random.default_rng(2).standard_normal((SIZE, CLASSES))
    regression = Regression(k_ss, RIDGE)
    g_kernel, g_labels = regression.pull_back(regression.solve(labels), g_alpha)
    _, back = jax.vjp(formula, jnp.asarray(k_ss), jnp.asarray(labels))
    true_kernel, true_labels = back(jnp.asarray(g_alpha))
    assert_close(g_kernel, true_kernel, GRADIENT["float64"])
    assert_close(g_labels, true_labels, GRADIENT["float64"])


def test_pull_back_equals_finite_differences(k_ss: np.ndarray, labels: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    g_alpha, step = rng.standard_normal((SIZE, CLASSES)), 1e-6
    regression = Regression(k_ss, RIDGE)
    g_kernel, g_labels = regression.pull_back(regression.solve(labels), g_alpha)

    def value(kernel: np.ndarray, right: np.ndarray) -> float:
        return float(np.sum(Regression(kernel, RIDGE).solve(right) * g_alpha))

    for _ in range(5):
        direction = rng.standard_normal((SIZE, SIZE))
        direction += direction.T  # Cholesky reads one triangle only: kernels are symmetric
        slope = (value(k_ss + step * direction, labels) - value(k_ss - step * direction, labels)) / (2 * step)
        assert slope == pytest.approx(np.sum(g_kernel * direction), rel=1e-5)
        direction = rng.standard_normal((SIZE, CLASSES))
        slope = (value(k_ss, labels + step * direction) - value(k_ss, labels - step * direction)) / (2 * step)
        assert slope == pytest.approx(np.sum(g_labels * direction), rel=1e-5)


def test_a_kernel_that_is_not_positive_definite_is_refused_with_a_ridge_that_suffices(
    k_ss: np.ndarray, labels: np.ndarray
) -> None:
    bad = k_ss - (np.linalg.eigvalsh(k_ss)[0] + 0.1) * np.eye(SIZE)
    low = -0.1 / np.trace(bad) * SIZE
    with pytest.raises(NumericalError) as caught:
        Regression(bad, 1e-6).solve(labels)
    message = str(caught.value)
    assert message.startswith("krr.ridge is 1e-06, too small for the kernel of the support (condition number inf, ")
    assert f"smallest eigenvalue {low:.1e} times" in message
    assert caught.value.diagnosis.smallest_eigenvalue == pytest.approx(low)
    assert caught.value.diagnosis.worst_image == np.argmax(np.abs(np.linalg.eigh(bad)[1][:, 0]))
    assert str(caught.value.at(7)) == f"step 7: {message}"
    assert f"--krr.ridge above {-low:.1e}" in message
    assert "--kernel.dtype float64" in message
    assert np.isfinite(Regression(bad, -low * 1.1).solve(labels)).all()


def test_equal_images_without_a_ridge_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"krr\.ridge is 0, .* set --krr\.ridge above 1\.0e-08"):
        Regression(np.ones((SIZE, SIZE)), 0.0).solve(labels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(2, 1), (4, 4)])
def test_a_kernel_that_is_not_finite_is_refused(
    k_ss: np.ndarray, labels: np.ndarray, value: float, place: tuple[int, int]
) -> None:
    k_ss[place] = value
    with pytest.raises(
        NumericalError, match=r"not finite.*--optim\.learning-rate or --kernel\.dtype float64"
    ) as caught:
        Regression(k_ss, RIDGE).solve(labels)
    assert caught.value.diagnosis.worst_image == place[0]


def test_rounding_is_that_of_the_condition_number(k_ss: np.ndarray) -> None:
    regularised = k_ss + RIDGE * np.trace(k_ss) / SIZE * np.eye(SIZE)
    truth = np.finfo(np.float64).eps * np.linalg.cond(regularised)
    assert Regression(k_ss, RIDGE).rounding == pytest.approx(truth, rel=1e-9)


def test_rounding_is_no_more_than_all() -> None:
    regression = Regression(np.ones((SIZE, SIZE)), 0.0)
    assert regression.rounding == 1.0
    assert regression.condition == 1 / np.finfo(np.float64).eps


def test_the_condition_number_of_many_images_is_estimated(k_ss: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = Regression(k_ss, RIDGE).condition
    assert exact == pytest.approx(np.linalg.cond(k_ss + RIDGE * np.trace(k_ss) / SIZE * np.eye(SIZE)), rel=1e-9)
    monkeypatch.setattr(kerneldistill.algorithms.krr, "_EIGENVALUES_UP_TO", SIZE - 1)
    # In the 1-norm, which is within a factor of the size of the 2-norm.
    assert exact / SIZE < Regression(k_ss, RIDGE).condition < exact * SIZE


def test_half_mse_and_its_gradient() -> None:
    rng = np.random.default_rng(4)
    predictions, labels = rng.standard_normal((2, TARGETS, CLASSES))

    def loss(p: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum((p - labels) ** 2)

    value, gradient, terms, _ = half_mse(predictions, labels)
    assert terms == predictions.size
    assert value == pytest.approx(float(loss(jnp.asarray(predictions))), rel=1e-14)
    assert_close(gradient, jax.grad(loss)(jnp.asarray(predictions)), 1e-14)
