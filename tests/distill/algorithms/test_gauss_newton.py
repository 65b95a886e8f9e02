"""Gauss-Newton steps: the system against finite differences, and what a step does."""

from dataclasses import replace

import numpy as np
import pytest

from kerneldistill.algorithms.gauss_newton import GaussNewton
from kerneldistill.algorithms.gauss_newton_system import FixedLabels, LearnedLabels, System
from kerneldistill.algorithms.gradient import regression_of
from kerneldistill.algorithms.kip import Kip
from kerneldistill.algorithms.linearised import Linearised, linearised, support_linearised
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.registry import algorithm_of
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.config.schema import GaussNewtonConfig
from tests.helpers.tiny_run import problem_of, with_steps

ROWS = (np.arange(24), np.arange(30, 54))
RIDGE = 1e-3


def _problem(learn_labels: bool = True, flip: bool = False, dtype: str = "float64", **changes) -> Problem:
    changes = {
        "name": "gauss_newton",
        "gauss_newton": GaussNewtonConfig(memory=60, damping=30.0, last_damping=30.0),
        **changes,
    }
    config = with_steps(6, **changes)
    support = replace(config.support, learn_labels=learn_labels, flip=flip)
    problem = problem_of(replace(config, support=support, kernel=replace(config.kernel, dtype=dtype)))
    # Kernels are not smooth where a support image is one of the targets.
    noise = np.random.default_rng(5).normal(size=problem.start.images.shape).astype(dtype)
    return problem._replace(start=problem.start._replace(images=problem.start.images + 0.3 * noise))


def _batches(problem: Problem, images: np.ndarray, flip: bool = False) -> list[Linearised]:
    return [linearised(problem.train.engine, images, problem.train, rows, None, flip) for rows in ROWS]


def _learned(problem: Problem, images: np.ndarray) -> System:
    return LearnedLabels(_batches(problem, images), images)


def _fixed(problem: Problem, images: np.ndarray) -> System:
    engine, labels = problem.train.engine, problem.start.labels
    regression = regression_of(engine, engine.support_features(images), RIDGE)
    itself = support_linearised(engine, images, flip=False)
    return FixedLabels(_batches(problem, images), images, regression, regression.solve(labels), itself)


@pytest.mark.parametrize("system_at", [_learned, _fixed])
def test_the_gradient_is_that_of_the_loss(system_at):
    problem = _problem()
    images = problem.start.images

    def loss(x: np.ndarray) -> float:
        return 0.5 * sum(float(np.sum(r * r)) for r in system_at(problem, x).residuals)

    gradient = system_at(problem, images).gradient().reshape(images.shape)
    along = np.random.default_rng(0).normal(size=images.shape)
    step = 1e-4
    numeric = (loss(images + step * along) - loss(images - step * along)) / (2 * step)
    assert np.sum(gradient * along) == pytest.approx(numeric, rel=1e-4)  # alpha has a small ridge of its own


def test_the_change_under_fixed_labels_is_that_of_the_predictions():
    problem = _problem()
    images = problem.start.images
    along = np.random.default_rng(1).normal(size=images.shape)

    def predictions(x: np.ndarray) -> np.ndarray:
        return np.concatenate(_fixed(problem, x).residuals)

    numeric = (predictions(images + 1e-4 * along) - predictions(images - 1e-4 * along)) / 2e-4
    change = np.concatenate(_fixed(problem, images).change(along.reshape(len(along), -1)))
    np.testing.assert_allclose(change, numeric, rtol=1e-4, atol=1e-6 * np.abs(numeric).max())


@pytest.mark.parametrize("system_at", [_learned, _fixed])
def test_pull_back_is_the_transpose_of_change(system_at):
    problem, rng = _problem(), np.random.default_rng(2)
    system = system_at(problem, problem.start.images)
    dx = rng.normal(size=(len(problem.start.images), problem.start.images[0].size))
    cotangents = [rng.normal(size=(len(rows), 3)) for rows in ROWS]
    forward = sum(float(np.sum(c * r)) for c, r in zip(system.change(dx), cotangents, strict=True))
    assert float(np.sum(system.pull_back(cotangents) * dx)) == pytest.approx(forward, rel=1e-9)


def test_what_alpha_mends_is_projected_off():
    problem = _problem()
    system = _learned(problem, problem.start.images)
    dx = np.random.default_rng(3).normal(size=(6, 36))
    left = np.concatenate(system.change(dx))
    k_ts = np.concatenate(system.kernels)
    assert np.abs(k_ts.T @ left).max() < 1e-6 * np.abs(k_ts).max() * np.abs(left).max() * len(left)


def test_kept_kernels_hold_to_first_order():
    problem = _problem()
    images = problem.start.images
    kept, along = _batches(problem, images)[0], np.random.default_rng(4).normal(size=images.shape)
    errors = [
        np.abs(kept.at(images + h * along) - _batches(problem, images + h * along)[0].k_ts).max() for h in (1e-2, 1e-3)
    ]
    assert errors[1] < errors[0] / 50


def test_the_system_is_scaled_by_the_squared_gradients_of_predictions():
    problem = _problem()
    system = _learned(problem, problem.start.images)
    newest = system.batches[0]
    squares = [
        float(np.sum((system.alpha[s, c] * newest.jacobian[s, t]) ** 2))
        for t in range(len(newest.labels))
        for c in range(3)
        for s in range(6)
    ]
    assert system.scale() == pytest.approx(sum(squares) / (len(newest.labels) * 3))


def test_steps_are_bounded_under_fixed_labels_alone():
    problem = _problem()
    images = problem.start.images
    dx, norm = np.random.default_rng(6).normal(size=(len(images), images[0].size)), np.linalg.norm(images)
    short, long = (part * norm / np.linalg.norm(dx) * dx for part in (0.19, 3.0))
    np.testing.assert_array_equal(_fixed(problem, images).bounded(short), short)
    np.testing.assert_allclose(_fixed(problem, images).bounded(long), short * 0.2 / 0.19)
    np.testing.assert_array_equal(_fixed(problem, images).bounded(0 * dx), 0 * dx)
    np.testing.assert_array_equal(_learned(problem, images).bounded(long), long)


def test_images_do_not_run_off_under_fixed_labels():
    problem = _problem(False, gauss_newton=GaussNewtonConfig(memory=60, damping=1e-3, last_damping=1e-3))
    algorithm = GaussNewton()
    state, losses = algorithm.init(problem), []
    for i in range(20):
        length = np.linalg.norm(state.support.images)
        result = algorithm.step(problem, state, i)
        assert result.metrics["step_norm"] <= 0.2 * length * (1 + 1e-6)
        state = result.state
        losses.append(result.loss)
    assert np.mean(losses[-5:]) < losses[0] / 2


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("learn_labels", [False, True])
def test_steps_learn(learn_labels, flip):
    problem = _problem(learn_labels, flip)
    algorithm = GaussNewton()
    state = algorithm.init(problem)
    before = evaluate(problem.engine, problem.start, problem.validation, 1e-6)
    losses = []
    for i in range(6):
        result = algorithm.step(problem, state, i)
        state = result.state
        losses.append(result.loss)
        assert result.entries == algorithm.step_entries(12 if flip else 6, 24)
        assert all(np.isfinite(value) for value in result.metrics.values())
    after = evaluate(problem.engine, algorithm.support(state), problem.validation, 1e-6)
    assert min(losses[3:]) < losses[0]
    if not flip:  # `evaluate` regresses from what it is given
        assert after.mse < before.mse


def test_learned_labels_are_those_of_the_best_alpha():
    problem = _problem(dtype="float64")
    algorithm = GaussNewton()
    state = algorithm.step(problem, algorithm.init(problem), 0).state
    found = algorithm.support(state)
    engine = problem.train.engine
    regression = regression_of(engine, engine.support_features(found.images), problem.config.krr.ridge)
    batch = linearised(engine, found.images, problem.train, problem.batch(0, 24), None, flip=False)
    fitted = np.sum((batch.k_ts @ regression.solve(found.labels) - batch.labels) ** 2)
    best = np.sum((batch.k_ts @ np.linalg.lstsq(batch.k_ts, batch.labels, rcond=1e-6)[0] - batch.labels) ** 2)
    assert fitted == pytest.approx(best, rel=0.05)  # alpha was fitted to the linearised kernel


def test_a_run_that_goes_on_computes_what_was_kept_again():
    problem, other = _problem(dtype="float32"), _problem(dtype="float32")
    algorithm = GaussNewton()
    state = algorithm.init(problem)
    for i in range(3):
        state = algorithm.step(problem, state, i).state
    went_on = algorithm.step(problem, state, 3).state
    anew = GaussNewton().step(other, state, 3).state
    for one, two in zip(went_on.support, anew.support, strict=True):
        assert np.array_equal(one, two)
    assert np.array_equal(went_on.images, anew.images)


@pytest.mark.usefixtures("optax_may_promote")
def test_it_learns_more_from_as_many_entries_than_adam():
    def learned(problem: Problem, algorithm) -> float:
        state = algorithm.init(problem)
        for i in range(6):
            state = algorithm.step(problem, state, i).state
        return evaluate(problem.engine, algorithm.support(state), problem.validation, 1e-6).mse

    newton, adam = (_problem(True, dtype="float32", name=name) for name in ("gauss_newton", "adam"))
    assert learned(newton, GaussNewton()) < learned(adam, Kip())


def test_it_is_chosen_by_its_name():
    assert isinstance(algorithm_of(_problem().config), GaussNewton)
