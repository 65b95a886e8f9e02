"""A run that cannot fit is refused before anything slow starts."""

from pathlib import Path

import pytest

from distill import run
from distill.config import Config
from distill.errors import UserError
from distill.planning.machine import Machine
from distill.rundir import RunDir


def test_a_run_that_cannot_fit_is_refused_before_its_data_are_prepared(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill.planning.check.machine", lambda: Machine("cpu", 2, 10**8))
    monkeypatch.setattr(run, "prepare_data", None)
    monkeypatch.setattr(run, "load", None)
    rundir = RunDir(tmp_path / "run")
    with rundir.open(small):
        for stage in (run.run, run.distill):
            with pytest.raises(UserError, match=r"this process would need about \d+ MB of memory, and can have 100 MB"):
                stage(small, rundir)
    assert not rundir.prepared.exists()
