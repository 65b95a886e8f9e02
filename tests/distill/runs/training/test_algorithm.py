"""An algorithm of its own in one file runs in the loop as KIP does: saved, resumed, undone, forked from."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from kerneldistill.algorithms.algorithm import Algorithm, StepResult
from kerneldistill.algorithms.numerical_error import Diagnosis, NumericalError
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.registry import ALGORITHMS
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.config.schema import Config
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.fork import start_fork
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.results import Results
from kerneldistill.runs.training.checkpoints import Checkpoints
from tests.helpers.tiny_run import CONFIG, assert_same, problem_of, records, trained, with_steps

pytestmark = pytest.mark.usefixtures("optax_may_promote")


class MoveToMeans:
    """Move every image towards the mean of its class, with noise that fades; the state is a dict with a jax key."""

    shorter_steps = "none"

    def init(self, problem: Problem) -> dict[str, Any]:
        return {"images": problem.start.images, "labels": problem.start.labels, "key": jax.random.key(3)}

    def step(
        self, problem: Problem, state: dict[str, Any], i: int, ridge_factor: float = 1.0
    ) -> StepResult[dict[str, Any]]:
        if i == 1 and ridge_factor < 10:
            raise NumericalError("a fault of the toy", "none", Diagnosis(1e12, -1e-9, 0))
        key, noise_key = jax.random.split(state["key"])
        classes = problem.train.split.labels
        means = np.stack([problem.train.images[classes == c].mean(0) for c in range(problem.train.num_classes)])
        aims = means[state["labels"].argmax(1)]
        noise = np.asarray(jax.random.normal(noise_key, aims.shape, aims.dtype)) * np.float32(0.1 * 0.5**i)
        moved = {**state, "images": state["images"] + np.float32(0.5) * (aims - state["images"]) + noise, "key": key}
        distance = float(np.mean((aims - state["images"]) ** 2))
        return StepResult(moved, distance, 0, {"noise": float(np.abs(noise).max())})

    def support(self, state: Mapping[str, Any]) -> Support:
        return Support(state["images"], state["labels"])

    def step_entries(self, rows: int, targets: int) -> int:
        return 0

    def second_order(self, config: Config, targets: np.ndarray) -> None:
        return None


TOY: Algorithm[dict[str, Any]] = MoveToMeans()


def test_it_learns_is_recorded_and_rolls_back(tmp_path: Path) -> None:
    problem = problem_of(with_steps(8))
    state = trained(tmp_path, problem, TOY)
    found = records(tmp_path)
    assert found[-1]["loss"] < 0.1 * found[1]["loss"]
    assert found[1]["noise"] > found[8]["noise"] > 0
    assert [record["rollbacks"] for record in found] == [0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert state.best.score.mse < found[0]["validation_mse"]
    assert evaluate(problem.engine, state.best.support, problem.validation, state.best.ridge) == state.best.score


def test_it_goes_on_from_its_checkpoint_bit_for_bit(tmp_path: Path) -> None:
    truth = trained(tmp_path / "whole", problem_of(with_steps(5)), TOY)
    trained(tmp_path / "parts", problem_of(with_steps(2)), TOY)
    found = trained(tmp_path / "parts", problem_of(with_steps(5)), TOY)
    keys = [state.learner.pop("key") for state in (found, truth)]
    assert np.array_equal(*map(jax.random.key_data, keys))
    assert_same(found, truth)


def test_a_checkpoint_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, problem_of(CONFIG), TOY)
    with pytest.raises(ValueError, match="holds another kind of state"):
        Checkpoints(tmp_path / "checkpoints", keep=2).restore_latest(trained(tmp_path / "kip", problem_of(CONFIG)))


def test_a_run_and_its_fork_take_it_from_the_registry(
    finished: RunDir, small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerneldistill.algorithms.registry.ALGORITHMS", {**ALGORITHMS, "adam": TOY})
    config = replace(small, optim=replace(small.optim, steps=3))
    rundir, fork = RunDir(tmp_path / "run"), RunDir(tmp_path / "fork")
    with rundir.open(config):
        shutil.copytree(finished.prepared, rundir.prepared)
        stages.run(config, rundir)
    outcome, results = Outcome.load(rundir.outcome_file), Results.load(rundir.results_file)
    assert results.learned.mse < results.start.mse
    assert outcome.step == 3
    longer = replace(config, optim=replace(config.optim, steps=4))
    with fork.open(longer):
        shutil.copytree(finished.prepared, fork.prepared)
        start_fork(fork, longer, rundir.path, "newest")
        stages.run(longer, fork)
    assert [record["step"] for record in records(fork.path)] == [3, 4]
