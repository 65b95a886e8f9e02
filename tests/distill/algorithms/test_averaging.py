"""The mean is that of the last part of the steps, forgets the start, and competes with the newest on validation."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kerneldistill.runs.training.loop
from kerneldistill.algorithms.averaging import Average
from kerneldistill.algorithms.scoring import Score, evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.runs.training.loop import TrainState
from tests.helpers.tiny_run import CONFIG, NO_VALIDATION, assert_same, problem_of, records, trained

pytestmark = pytest.mark.usefixtures("optax_may_promote")


def number(value: float) -> Support:
    return Support(np.full((1, 1, 1, 1), value, np.float32), np.full((1, 2), 2 * value))


def mean_of(values: list[float], fraction: float) -> float:
    average = Average(number(1e6))  # where it began
    for value in values:
        average = average.after(number(value), fraction)
    images, labels = average.support
    assert (images.dtype, labels.dtype) == (np.float32, np.float64)
    assert images[0, 0, 0, 0] == pytest.approx(labels[0, 0] / 2, rel=1e-6)
    assert average.steps == len(values)
    return float(labels[0, 0]) / 2


def test_of_all_steps_it_is_their_mean() -> None:
    assert mean_of([3.0], 0.1) == 3
    assert mean_of([1.0, 2.0, 6.0], 1.0) == pytest.approx(3)


def test_it_is_over_the_same_part_of_the_steps_however_many() -> None:
    # Of sets that move evenly the mean lies behind by a number of steps that is a part of those done.
    for steps in (200, 2000):
        behind = (steps - mean_of([float(step) for step in range(1, steps + 1)], 0.1)) / steps
        assert behind == pytest.approx(1 / 11, rel=0.02)  # the mean of s^9 ds over [0, 1] lies at 10/11


def test_what_does_not_change_keeps_its_bits() -> None:
    fixed = Support(np.full((1, 1, 1, 1), 0.1, np.float32), np.array([[0.9, -0.1 / 3]]))
    average = Average(number(1e6))
    for _ in range(200):
        average = average.after(fixed, 0.3)
    assert all(map(np.array_equal, average.support, fixed))


def run(folder: Path, steps: int = 6, validation: bool = True) -> TrainState:
    config = replace(CONFIG, optim=replace(CONFIG.optim, steps=steps, average=0.5))
    return trained(folder, problem_of(config) if validation else problem_of(config, NO_VALIDATION))


def test_a_run_with_an_average_goes_on_bit_for_bit(tmp_path: Path) -> None:
    truth = run(tmp_path / "whole")
    run(tmp_path / "parts", steps=4)
    assert_same(run(tmp_path / "parts"), truth)
    assert records(tmp_path / "parts") == records(tmp_path / "whole")
    assert truth.average is not None
    assert truth.average.steps == 6
    assert not np.array_equal(truth.average.support.images, truth.learner.support.images)


def test_validation_judges_both(tmp_path: Path) -> None:
    state = run(tmp_path)
    found = records(tmp_path)
    both = {"average_validation_accuracy", "average_validation_mse", "validation_accuracy", "validation_mse"}
    assert [len(both & record.keys()) for record in found] == [2, 0, 4, 0, 4, 0, 4]
    problem = problem_of(CONFIG)
    score = evaluate(problem.engine, state.average.support, problem.validation, state.best.ridge)
    assert (score.accuracy, score.mse) == tuple(found[-1][f"average_validation_{name}"] for name in Score._fields)


@pytest.mark.parametrize("average_wins", [False, True])
def test_the_better_is_handed_out(tmp_path: Path, average_wins: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    mses = itertools.chain([0.9], itertools.cycle([0.5, 0.4] if average_wins else [0.4, 0.5]))
    monkeypatch.setattr(kerneldistill.runs.training.loop, "evaluate", lambda *_: Score(0.5, next(mses)))
    state = run(tmp_path, steps=2)
    assert (state.best.averaged, state.best.step, state.best.score.mse) == (average_wins, 2, 0.4)
    chosen = state.average.support if average_wins else state.learner.support
    assert np.array_equal(state.best.support.images, chosen.images)


def test_without_validation_the_average_is_handed_out(tmp_path: Path) -> None:
    state = run(tmp_path, validation=False)
    assert state.best.averaged
    assert np.array_equal(state.best.support.images, state.average.support.images)
