"""Gradient descent on a whole set: against the NTK's closed forms in float64, and rates of single layers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

from kerneldistill.evaluation.descent import Problem, descend

N, D, WIDTH, K = 4, 5, 16, 3


def apply(params, images):
    """One hidden layer of tanh, and its bias."""
    first, bias, last = params
    return jnp.tanh(images.reshape(len(images), -1) @ first + bias[None]) @ last


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(0)
    shapes = ((D, WIDTH), (WIDTH,), (WIDTH, K))
    params = tuple(jnp.asarray(rng.standard_normal(shape) / np.sqrt(shape[0]), jnp.float32) for shape in shapes)
    images, labels = rng.standard_normal((N, D, 1, 1)), rng.standard_normal((N, K))
    return Problem(apply, params, jnp.asarray(images, jnp.float32), jnp.asarray(labels, jnp.float32))


def ntk(problem: Problem, rows: np.ndarray, columns: np.ndarray, scales=(1.0, 1.0, 1.0)) -> np.ndarray:
    """Of all outputs, [n k, m k] in float64, each leaf times a number: J J^T by jacrev."""
    params = tuple(np.asarray(leaf, np.float64) for leaf in problem.first)

    def jacobian(images):
        found = jax.jacrev(apply)(params, np.asarray(images, np.float64))
        return [np.asarray(leaf).reshape(len(images) * K, -1) for leaf in found]

    pairs = zip(jacobian(rows), jacobian(columns), scales, strict=True)
    return sum(scale * row @ column.T for row, column, scale in pairs)


def test_the_largest_stable_rate_is_that_of_the_whole_kernel(problem: Problem) -> None:
    theta = ntk(problem, problem.images, problem.images)
    assert problem.largest_stable_rate() == pytest.approx(2 * N * K / np.linalg.eigvalsh(theta)[-1], rel=1e-3)
    scales = (3.0, 0.25, 1.5)
    theta = ntk(problem, problem.images, problem.images, scales)
    found = problem.rescaled(scales).largest_stable_rate()
    assert found == pytest.approx(2 * N * K / np.linalg.eigvalsh(theta)[-1], rel=1e-3)


def test_the_linearised_network_converges_below_it_and_diverges_above(problem: Problem) -> None:
    stable, linear = problem.largest_stable_rate(), problem.linearised()
    below, above = (descend(linear, factor * stable, 200).losses for factor in (0.95, 1.05))
    assert below[-1] < below[0]
    assert (np.diff(below) <= 1e-6).all()
    assert above[-1] > 10 * above[0]


def test_the_linearised_training_is_the_exponential_of_the_kernel(problem: Problem) -> None:
    """At a small rate: f_t = f0_t + Theta_ts Theta^-1 (1 - exp(-Theta tau / n k)) (y - f0) (1902.06720, eq. 8-9)."""
    linear, steps = problem.linearised(), 200
    rate = 0.002 * problem.largest_stable_rate()
    tests = np.random.default_rng(1).standard_normal((6, D, 1, 1)).astype(np.float32)
    theta, across = ntk(problem, problem.images, problem.images), ntk(problem, tests, problem.images)
    gap = np.asarray(problem.labels - apply(problem.first, problem.images), np.float64).ravel()
    moved = linalg.solve(theta, gap - linalg.expm(-theta * rate * steps / (N * K)) @ gap)
    wanted = np.asarray(apply(problem.first, tests), np.float64) + (across @ moved).reshape(6, K)
    found = np.asarray(linear.apply(descend(linear, rate, steps).params, tests))
    np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())


def test_a_step_is_that_of_gradient_descent_with_a_rate_for_each_leaf(problem: Problem) -> None:
    scales, rate = (2.0, 0.5, 1.0), 0.3
    rescaled = problem.rescaled(scales)
    moved = descend(rescaled, rate, 1).params
    gradient = jax.grad(lambda p: 0.5 * jnp.mean((apply(p, problem.images) - problem.labels) ** 2))(problem.first)
    for after, before, slope, scale in zip(moved, problem.first, gradient, scales, strict=True):
        np.testing.assert_allclose(after * np.float32(np.sqrt(scale)), before - rate * scale * slope, atol=1e-5)


def test_it_is_looked_at_when_asked(problem: Problem) -> None:
    seen = {}
    found = descend(problem, 0.1, 5, (0, 2, 5), lambda step, params: seen.update({step: params}))
    assert list(seen) == [0, 2, 5]
    assert len(found.losses) == 6
    for step in seen:
        loss = 0.5 * jnp.mean((apply(seen[step], problem.images) - problem.labels) ** 2)
        assert found.losses[step] == pytest.approx(float(loss), rel=1e-5)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-6), seen[5], found.params)
