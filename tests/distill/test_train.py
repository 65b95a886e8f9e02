"""The loop learns, chooses by validation, and goes on from anywhere as if nothing had happened."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import distill.step
import distill.train
from distill.checkpoint import Checkpoints
from distill.config import (
    CheckpointConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    KernelConfig,
    OptimConfig,
    SupportConfig,
)
from distill.errors import UserError
from distill.evaluate import Score
from distill.metrics import MetricsLog
from distill.problem import Problem
from distill.support import Support, real_support
from distill.targets import Targets
from distill.train import TrainState, train
from kernels.networks import fc_net
from pipeline.split import Split
from tests.helpers.kernels import engine
from tests.helpers.splits import make_split

pytestmark = pytest.mark.usefixtures("optax_may_promote")

SHAPE = (6, 6, 1)
# These alone may differ from run to run.
TIMING = {"seconds", "entries_per_second"}

CONFIG = Config(
    data=DataConfig(),
    kernel=KernelConfig(network="fc", depth=1),
    support=SupportConfig(size=6),
    optim=OptimConfig(learning_rate=0.1, steps=3, target_batch=24),
    evaluate=EvaluateConfig(every=2),
    checkpoint=CheckpointConfig(every=2),
)
TRAIN = make_split((20, 18, 16), SHAPE, noise=2.0)
VALIDATION = make_split((9, 9, 8), SHAPE, seed=1, noise=2.0)
NO_VALIDATION = make_split((0, 0, 0), SHAPE)
ENGINES = {dtype: engine(fc_net(1), SHAPE, dtype=np.dtype(dtype)) for dtype in ("float32", "float64")}


def problem_of(config: Config, validation: Split = VALIDATION) -> Problem:
    own = ENGINES[config.kernel.dtype]
    rows = np.argsort(TRAIN.labels, kind="stable")[[0, 1, 20, 21, 38, 39]]
    start = real_support(TRAIN, rows, 3, own.dtype)
    return Problem(config, own, start, Targets(own, TRAIN, 3), Targets(own, validation, 3))


def with_steps(steps: int, **changes: Any) -> Config:
    return replace(CONFIG, optim=replace(CONFIG.optim, steps=steps, **changes))


def trained(folder: Path, problem: Problem) -> TrainState:
    """Begins or goes on in `folder`."""
    return train(problem, Checkpoints(folder / "checkpoints", keep=2), MetricsLog(folder / "metrics.jsonl"))


def records(folder: Path) -> list[dict[str, int | float]]:
    """The metrics, without what may differ."""
    return [
        {name: value for name, value in record.items() if name not in TIMING}
        for record in MetricsLog(folder / "metrics.jsonl").read()
    ]


def assert_same(found: TrainState, truth: TrainState) -> None:
    """Bit for bit, in type, too."""
    assert jax.tree.structure(found) == jax.tree.structure(truth)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.array_equal(a, b)


@pytest.mark.parametrize("learn_labels", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_falls_and_only_what_is_learned_changes(tmp_path: Path, learn_labels: bool, dtype: str) -> None:
    config = replace(with_steps(30), support=SupportConfig(6, learn_labels), kernel=KernelConfig("fc", 1, dtype=dtype))
    problem = problem_of(replace(config, checkpoint=CheckpointConfig(every=30)))
    state = trained(tmp_path, problem)
    losses = [record["loss"] for record in records(tmp_path)[1:]]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert state.best.score.mse < 0.8 * records(tmp_path)[0]["validation_mse"]
    assert state.learner.support.images.dtype == dtype
    assert state.learner.support.labels.dtype == np.float64
    assert not np.array_equal(state.learner.support.images, problem.start.images)
    assert np.array_equal(state.learner.support.labels, problem.start.labels) is not learn_labels


def test_metrics_tell_every_step_and_validation_when_due(tmp_path: Path) -> None:
    trained(tmp_path, problem_of(with_steps(5)))
    found = MetricsLog(tmp_path / "metrics.jsonl").read()
    assert [record["step"] for record in found] == [0, 1, 2, 3, 4, 5]
    assert [record["step"] for record in found if "validation_accuracy" in record] == [0, 2, 4, 5]
    assert {"step", "loss", "gradient_norm", "seconds", "entries_per_second"} == set(found[1])
    assert all(record["seconds"] > 0 and record["gradient_norm"] > 0 for record in found[1:])


def test_the_best_is_the_one_of_most_accuracy_then_least_mse_then_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [(0.5, 0.1), (0.6, 0.3), (0.6, 0.2), (0.6, 0.2), (0.4, 0.05), (0.6, 0.21)]
    given = iter(scores)
    monkeypatch.setattr(distill.train, "evaluate", lambda *_: Score(*next(given)))
    config = replace(with_steps(5), evaluate=EvaluateConfig(every=1))
    best = trained(tmp_path / "all", problem_of(config)).best
    assert (best.step, best.score) == (2, Score(0.6, 0.2))
    given = iter(scores)
    shorter = trained(tmp_path / "two", problem_of(replace(config, optim=replace(config.optim, steps=2))))
    assert np.array_equal(best.support.images, shorter.learner.support.images)


def test_no_steps_leave_the_start(tmp_path: Path) -> None:
    problem = problem_of(with_steps(0))
    for _ in range(2):  # and again: there is no checkpoint
        state = trained(tmp_path, problem)
        assert state.step == state.best.step == 0
        assert np.array_equal(state.best.support.images, problem.start.images)
        (record,) = records(tmp_path)
        assert record["validation_accuracy"] == state.best.score.accuracy


def test_without_validation_the_last_is_chosen(tmp_path: Path) -> None:
    state = trained(tmp_path, problem_of(CONFIG, NO_VALIDATION))
    assert state.best.step == state.step == 3
    assert np.array_equal(state.best.support.images, state.learner.support.images)
    assert not any("validation_mse" in record for record in records(tmp_path))
    assert_same(trained(tmp_path, problem_of(CONFIG, NO_VALIDATION)), state)


def test_batches_change_with_the_step_and_the_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, ...]] = []
    whole = Targets.chunks

    def noted(self: Targets, size: int, rows: np.ndarray | None = None):
        drawn.extend([] if rows is None else [tuple(rows)])
        return whole(self, size, rows)

    monkeypatch.setattr(Targets, "chunks", noted)
    trained(tmp_path / "0", problem_of(CONFIG, NO_VALIDATION))
    trained(tmp_path / "1", problem_of(replace(CONFIG, seed=1), NO_VALIDATION))
    assert len(set(drawn)) == 6
    for rows in drawn:
        assert np.bincount(TRAIN.labels[list(rows)]).tolist() == [8, 8, 8]


class Stopper:
    """Counts the moments before and after the calls of some functions, and raises `error` at moment number `at`."""

    def __init__(self, at: int, error: type[BaseException]) -> None:
        self.at, self.error, self.count = at, error, 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._moment()
            result = function(*args, **kwargs)
            self._moment()
            return result

        return call

    def _moment(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise self.error("stopped by the test")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_run_stopped_at_any_moment_ends_as_an_undisturbed_one(
    tmp_path: Path, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(replace(CONFIG, support=SupportConfig(6, learn_labels=True)))
    truth = trained(tmp_path / "whole", problem)
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        stopper = Stopper(at, error)
        with monkeypatch.context() as patch:
            for owner, name in [
                (distill.step, "loss_and_gradient"),
                (distill.train, "evaluate"),
                (MetricsLog, "append"),
                (Checkpoints, "save"),
            ]:
                patch.setattr(owner, name, stopper.wrap(getattr(owner, name)))
            try:
                trained(folder, problem)
                break
            except error:
                pass
        assert_same(trained(folder, problem), truth)
        assert records(folder) == records(tmp_path / "whole")
    # Three gradients, three evaluations, four records, two checkpoints; before and after each.
    assert at == 2 * (3 + 3 + 4 + 2) + 1


def test_an_interrupted_run_saves_the_last_finished_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(with_steps(9), checkpoint=CheckpointConfig(every=9))
    stopper = Stopper(7, KeyboardInterrupt)
    monkeypatch.setattr(distill.step, "loss_and_gradient", stopper.wrap(distill.step.loss_and_gradient))
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, problem_of(config))
    assert Checkpoints(tmp_path / "checkpoints", keep=2).steps() == [3]


def test_a_finished_run_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = trained(tmp_path, problem_of(CONFIG))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    monkeypatch.setattr(distill.step, "loss_and_gradient", None)
    monkeypatch.setattr(distill.train, "evaluate", None)
    assert_same(trained(tmp_path, problem_of(CONFIG)), truth)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_a_loss_that_is_not_finite_stops_with_its_step_and_a_remedy(tmp_path: Path) -> None:
    problem = problem_of(CONFIG, NO_VALIDATION)
    problem = problem._replace(start=Support(problem.start.images, 1e200 * problem.start.labels))
    with pytest.raises(UserError, match=r"step 1: the loss is inf .*--optim\.learning-rate, .*--krr\.ridge, .*float64"):
        trained(tmp_path, problem)
    assert records(tmp_path) == [{"step": 0}]


def test_images_that_leave_the_range_stop_the_run_after_its_last_good_checkpoint(tmp_path: Path) -> None:
    config = replace(with_steps(5, learning_rate=1e30), checkpoint=CheckpointConfig(every=1))
    with pytest.raises(UserError, match=r"not finite.*smaller --optim\.learning-rate"):
        trained(tmp_path, problem_of(config, NO_VALIDATION))
    assert Checkpoints(tmp_path / "checkpoints", keep=2).steps() == [1]
    assert [record["step"] for record in records(tmp_path)] == [0, 1]
