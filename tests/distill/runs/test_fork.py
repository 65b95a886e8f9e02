"""A fork begins with another run's images, keeps what they mean, and says what was changed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.fork import read_fork, start_fork
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.metrics import MetricsLog

pytestmark = pytest.mark.usefixtures("optax_may_promote")


def changed(config: Config, steps: int = 15, **optim: object) -> Config:
    return replace(config, optim=replace(config.optim, steps=steps, **optim))


def forked(folder: Path, config: Config, origin: RunDir, which: str = "newest") -> RunDir:
    """A run directory with the prepared data of `origin`, forked from it."""
    rundir = RunDir(folder)
    with rundir.open(config):
        if not rundir.prepared.exists():
            shutil.copytree(origin.prepared, rundir.prepared)
        start_fork(rundir, config, origin.path, which)
    return rundir


def test_a_fork_goes_on_from_the_newest_state_and_needs_the_other_run_no_more(
    finished: RunDir, small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = RunDir(Path(shutil.copytree(finished.path, tmp_path / "origin")))
    config = changed(small, learning_rate=0.01)
    rundir = forked(tmp_path / "fork", config, origin)
    told = " ".join(capsys.readouterr().err.split())
    assert "step 12; changed: optim.learning_rate is 0.04 there and 0.01 here, optim.steps is 12 there" in told
    written = json.loads(rundir.fork_file.read_bytes())
    assert written["changes"] == {"optim.learning_rate": [0.04, 0.01], "optim.steps": [12, 15]}
    assert (written["run"], written["which"], written["step"]) == (str(origin.path), "newest", 12)
    start_fork(rundir, config, origin.path, "newest")  # the same command again
    shutil.rmtree(origin.path)
    stages.distill(config, rundir)
    records = MetricsLog(rundir.metrics_file).read()
    assert [record["step"] for record in records] == [12, 13, 14, 15]
    before = MetricsLog(finished.metrics_file).read()[-1]
    assert records[0]["validation_mse"] == pytest.approx(before["validation_mse"], rel=1e-12)
    assert records[0]["elapsed"] > before["elapsed"]
    assert Outcome.load(rundir.outcome_file).start.init_indices.tolist() == [
        *Outcome.load(finished.outcome_file).start.init_indices
    ]
    # Three steps of a quarter of the size, with the mean gradient that Adam had.
    moved = _newest(rundir)[".learner.support.images"] - _newest(finished)[".learner.support.images"]
    assert 0 < np.abs(moved).max() < 3 * 0.01 * 1.5


def test_another_optimiser_begins_anew(
    finished: RunDir, small: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = changed(small, steps=13, name="sgd", learning_rate=1.0)
    stages.distill(config, forked(tmp_path / "fork", config, finished, "best"))
    assert "the optimiser begins anew" in capsys.readouterr().err


def test_an_average_goes_on_in_a_fork_or_begins_there(finished: RunDir, small: Config, tmp_path: Path) -> None:
    averaging = changed(small, steps=14, average=0.5)
    first = forked(tmp_path / "first", averaging, finished)
    stages.distill(averaging, first)
    longer = changed(small, steps=15, average=0.5)
    second = forked(tmp_path / "second", longer, first)
    stages.distill(longer, second)
    counts = [int(_newest(rundir)[".average.steps"]) for rundir in (first, second)]
    assert counts == [2, 3]
    assert not np.array_equal(_newest(second)[".average.support.images"], _newest(first)[".average.support.images"])


def test_a_fork_from_the_best_or_from_a_step(finished: RunDir, small: Config, tmp_path: Path) -> None:
    best, *_ = (int(entry.name) for entry in finished.best.iterdir())
    for which, step in (("best", best), ("11", 11)):
        fork = read_fork(forked(tmp_path / which, changed(small), finished, which))
        assert fork is not None
        assert (fork.which, fork.step) == (which, step)


@pytest.mark.parametrize(
    ("change", "which", "message"),
    [
        (lambda small: small, "newest", r"optim\.steps is 12, but the fork begins after step 12: set --optim\.steps"),
        (lambda small: changed(replace(small, seed=1)), "newest", r"keeps its images.*seed is 0 there and 1.*--seed"),
        (lambda small: changed(replace(small, data=replace(small.data, seed=1))), "newest", r"data\.seed is 0 there"),
        (
            lambda small: changed(replace(small, support=replace(small.support, size=20))),
            "best",
            r"support\.size is 10",
        ),
        (changed, "3", r"--fork-from is '3', and the steps saved in .* are: 10, 11, 12; allowed is newest, best"),
        (changed, "last", r"--fork-from is 'last'"),
    ],
)
def test_what_a_fork_cannot_be_is_refused(
    finished: RunDir, small: Config, tmp_path: Path, change: Callable[[Config], Config], which: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        forked(tmp_path / "fork", change(small), finished, which)
    assert not RunDir(tmp_path / "fork").fork_file.exists()


def test_a_run_that_has_begun_becomes_no_fork(finished: RunDir, small: Config, tmp_path: Path) -> None:
    own = RunDir(Path(shutil.copytree(finished.path, tmp_path / "own")))
    with pytest.raises(UserError, match="has begun, and not as a fork"):
        start_fork(own, changed(small), finished.path, "newest")
    rundir = forked(tmp_path / "fork", changed(small), finished)
    with pytest.raises(UserError, match=r"is a fork of .* already"):
        start_fork(rundir, changed(small), finished.path, "best")
    with pytest.raises(UserError, match=r"nowhere, which has no config\.toml"):
        start_fork(RunDir(tmp_path / "other"), changed(small), tmp_path / "nowhere", "best")


def _newest(rundir: RunDir) -> dict[str, np.ndarray]:
    """Every leaf of the newest checkpoint by name."""
    from orbax.checkpoint import v1 as ocp

    return dict(ocp.load(rundir.checkpoints / str(Checkpoints(rundir.checkpoints, keep=3).steps()[-1])))
