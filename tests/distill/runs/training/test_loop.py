"""The loop learns, chooses by validation, and goes on from anywhere as if nothing had happened."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kerneldistill.algorithms.kip
import kerneldistill.runs.training.loop
from kerneldistill.algorithms.scoring import Score
from kerneldistill.algorithms.targets import Change, Targets
from kerneldistill.config.schema import CheckpointConfig, EvaluateConfig, KernelConfig, SupportConfig
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.metrics import TIMING, MetricsLog
from tests.helpers.kernels import engine
from tests.helpers.tiny_run import (
    CONFIG,
    NO_VALIDATION,
    SHAPE,
    TRAIN,
    Stopper,
    assert_same,
    problem_of,
    records,
    trained,
    with_steps,
)

pytestmark = pytest.mark.usefixtures("optax_may_promote")


@pytest.mark.parametrize("learn_labels", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_falls_and_only_what_is_learned_changes(tmp_path: Path, learn_labels: bool, dtype: str) -> None:
    config = replace(with_steps(30), support=SupportConfig(6, learn_labels), kernel=KernelConfig("fc", 1, dtype=dtype))
    problem = problem_of(replace(config, checkpoint=CheckpointConfig(geometric=False, every=30)))
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
    assert {"step", "loss", "gradient_norm", "condition", "ridge", "rollbacks", "targets", "entries", *TIMING} == {
        *found[1],
        "validation_seconds",
    }
    assert all(
        record["seconds"] > 0 and record["gradient_norm"] > 0 and record["ridge"] == 1e-6 for record in found[1:]
    )
    times = [record["elapsed"] for record in found]
    assert times == sorted(times)
    assert sum(record["seconds"] for record in found[1:]) < times[-1]


def test_the_best_is_the_one_of_most_accuracy_then_least_mse_then_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [(0.5, 0.1), (0.6, 0.3), (0.6, 0.2), (0.6, 0.2), (0.4, 0.05), (0.6, 0.21)]
    given = iter(scores)
    monkeypatch.setattr(kerneldistill.runs.training.loop, "evaluate", lambda *_: Score(*next(given)))
    config = replace(with_steps(5), evaluate=EvaluateConfig(every=1))
    best = trained(tmp_path / "all", problem_of(config)).best
    assert (best.step, best.score) == (2, Score(0.6, 0.2))
    given = iter(scores)
    by_mse = replace(config, evaluate=EvaluateConfig(every=1, best_by="mse"))
    assert trained(tmp_path / "mse", problem_of(by_mse)).best.score == Score(0.4, 0.05)
    given = iter(scores)
    shorter = trained(tmp_path / "two", problem_of(replace(config, optim=replace(config.optim, steps=2))))
    assert np.array_equal(best.support.images, shorter.learner.support.images)


def test_a_run_without_gain_ends_and_stays_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = iter([(0.5, 0.1), (0.6, 0.3), (0.6, 0.4), (0.6, 0.3), (0.6, 0.3), (0.9, 0.1), *[(0.1, 1.0)] * 4])
    monkeypatch.setattr(kerneldistill.runs.training.loop, "evaluate", lambda *_: Score(*next(given)))
    config = replace(with_steps(9, patience=3), evaluate=EvaluateConfig(every=1))
    state = trained(tmp_path, problem_of(config))
    assert (state.step, state.best.step) == (4, 1)
    assert "no set was better than that of step 1 for 3 steps" in capsys.readouterr().err
    assert_same(trained(tmp_path, problem_of(config)), state)  # nothing is left to score
    more = replace(config, optim=replace(config.optim, patience=4))
    assert trained(tmp_path, problem_of(more)).best.step == 5


def test_a_run_that_goes_on_says_from_where_and_one_that_begins_or_is_done_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for steps, told in ((2, []), (4, ["resuming after step 2"]), (4, [])):
        trained(tmp_path, problem_of(with_steps(steps)))
        assert [line for line in capsys.readouterr().err.splitlines() if "resuming" in line] == told


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

    def noted(self: Targets, size: int, rows: np.ndarray | None = None, change: Change | None = None):
        drawn.extend([] if rows is None else [tuple(rows)])
        return whole(self, size, rows, change)

    monkeypatch.setattr(Targets, "chunks", noted)
    trained(tmp_path / "0", problem_of(CONFIG, NO_VALIDATION))
    trained(tmp_path / "1", problem_of(replace(CONFIG, seed=1), NO_VALIDATION))
    assert len(set(drawn)) == 6
    for rows in drawn:
        assert np.bincount(TRAIN.labels[list(rows)]).tolist() == [8, 8, 8]


@pytest.mark.parametrize("error", [KeyboardInterrupt, pytest.param(OSError, marks=pytest.mark.slow)])
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
                (kerneldistill.algorithms.kip, "loss_and_gradient"),
                (kerneldistill.runs.training.loop, "evaluate"),
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
    scores = [
        (record["validation_accuracy"], -record["validation_mse"])
        for record in records(folder)
        if "validation_mse" in record
    ]
    bests = sum(score > max(scores[:number]) for number, score in enumerate(scores) if number)
    # Three gradients, three evaluations, four records, two checkpoints and the best apart; before and after each.
    assert at == 2 * (3 + 3 + 4 + 2 + bests) + 1


def test_another_number_of_devices_goes_on_to_rounding(tmp_path: Path) -> None:
    problem = problem_of(with_steps(4))
    truth = trained(tmp_path / "two", problem)
    trained(tmp_path / "one", problem_of(with_steps(2)))
    alone = engine(fc_net(1), SHAPE, dtype=np.float32, devices=1)
    problem = problem._replace(
        engine=alone, train=problem.train.with_engine(alone), validation=problem.validation.with_engine(alone)
    )
    found = trained(tmp_path / "one", problem)
    assert [record["step"] for record in records(tmp_path / "one")] == [0, 1, 2, 3, 4]
    images, wanted = found.learner.support.images, truth.learner.support.images
    np.testing.assert_allclose(images, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_an_interrupted_run_saves_the_last_finished_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(with_steps(9), checkpoint=CheckpointConfig(geometric=False, every=9))
    stopper = Stopper(7, KeyboardInterrupt)
    monkeypatch.setattr(
        kerneldistill.algorithms.kip, "loss_and_gradient", stopper.wrap(kerneldistill.algorithms.kip.loss_and_gradient)
    )
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, problem_of(config))
    assert Checkpoints(tmp_path / "checkpoints", keep=2).steps() == [3]


def test_a_finished_run_computes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = trained(tmp_path, problem_of(CONFIG))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    monkeypatch.setattr(kerneldistill.algorithms.kip, "loss_and_gradient", None)
    monkeypatch.setattr(kerneldistill.runs.training.loop, "evaluate", None)
    assert_same(trained(tmp_path, problem_of(CONFIG)), truth)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_the_best_is_kept_apart_from_the_newest(tmp_path: Path) -> None:
    config = replace(with_steps(6), evaluate=EvaluateConfig(every=1), checkpoint=CheckpointConfig(every=1))
    state = trained(tmp_path, problem_of(config))
    assert Checkpoints(tmp_path / "checkpoints", keep=2).steps() == [5, 6]
    best = Checkpoints(tmp_path / "best", keep=2)
    assert best.steps() == [state.best.step]
    _, kept = best.restore_latest(state)
    assert np.array_equal(kept.learner.support.images, state.best.support.images)
