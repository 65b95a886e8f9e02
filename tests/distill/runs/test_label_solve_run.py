"""`kdistill label-solve`, whole: what it leaves, and what it does when it is given again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kerneldistill.pipeline
from kerneldistill.algorithms import kept_triangle
from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.results import Results
from kerneldistill.runs.verify import find_problems
from tests.helpers.label_solve import StoppedError, stopped_after
from tests.helpers.run_dirs import only_prepared

pytestmark = pytest.mark.usefixtures("optax_may_promote")


def test_label_solve_predicts_train_better_than_the_labels_of_its_start(
    finished: RunDir, small: Config, tmp_path: Path
) -> None:
    rundir = only_prepared(finished, small, tmp_path / "run")
    stages.label_solve(small, rundir)
    outcome, data = Outcome.load(rundir.outcome_file), kerneldistill.pipeline.load(rundir.prepared)
    assert (outcome.label_mode, outcome.step) == ("label_solve", 0)
    assert np.array_equal(outcome.support.images, data.train.images[outcome.start.init_indices])
    engine = engine_of(small.kernel, (8, 8, 1))
    train = Targets(engine, data.train, 10)
    start = Support(outcome.support.images, centred_one_hot(outcome.start.class_ids, 10))
    solved, fixed = (evaluate(engine, support, train, small.krr.ridge) for support in (outcome.support, start))
    assert solved.mse < 0.9 * fixed.mse
    results = Results.load(rundir.results_file)
    assert results.learned.mse < results.start.mse
    assert read_bundle(rundir.bundle).manifest.label_mode == "label_solve"
    assert not rundir.metrics_file.exists()
    with pytest.raises(UserError, match="holds solved labels"):
        stages.distill(small, rundir)


@pytest.fixture
def half_solved(finished: RunDir, small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A run whose labels are solved for over the first chunk of the targets alone."""
    rundir = only_prepared(finished, small, tmp_path / "run")
    monkeypatch.setattr(kept_triangle, "_EACH", -1.0)
    with stopped_after(1), pytest.raises(StoppedError):
        stages.label_solve(small, rundir)
    return rundir


def test_label_solve_skips_what_is_done_and_goes_on_with_what_is_not(
    half_solved: RunDir, small: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    rundir = half_solved
    assert rundir.triangle_file.exists()
    assert not rundir.outcome_file.exists()
    stages.label_solve(small, rundir)
    assert not rundir.triangle_file.exists()
    assert list(find_problems(rundir.path)) == []
    solved, results = rundir.outcome_file.read_bytes(), rundir.results_file.read_bytes()
    assert "labels solved over" in capsys.readouterr().err
    stages.label_solve(small, rundir)
    assert "is done: nothing to do" in capsys.readouterr().err
    # Without its results it is evaluated again, and no label is solved for.
    rundir.results_file.unlink()
    stages.label_solve(small, rundir)
    assert "labels solved over" not in capsys.readouterr().err
    assert rundir.results_file.read_bytes() == results
    assert rundir.outcome_file.read_bytes() == solved


def test_what_is_solved_of_the_labels_is_kept_where_settings_change(half_solved: RunDir, small: Config) -> None:
    solved = half_solved.triangle_file.read_bytes()
    ridge = replace(small, krr=replace(small.krr, ridge=1e-3))
    with pytest.raises(UserError, match=r"another configuration: krr\.ridge"), half_solved.open(ridge):
        pass
    draws = replace(small, evaluate=replace(small.evaluate, baseline_draws=0))
    with half_solved.open(draws):
        assert half_solved.triangle_file.read_bytes() == solved
    assert half_solved.config() == draws


def test_label_solve_does_not_replace_what_was_learned(finished: RunDir, small: Config) -> None:
    with pytest.raises(UserError, match="holds learned images"):
        stages.label_solve(small, finished)
