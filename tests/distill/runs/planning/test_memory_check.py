"""A run that cannot fit is refused before anything slow starts."""

from pathlib import Path

import pytest

from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.runs import preparing, stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.machine import Machine


def test_a_run_that_cannot_fit_is_refused_before_its_data_are_prepared(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kerneldistill.runs.planning.plan.machine", lambda: Machine("cpu", 2, 10**8))
    monkeypatch.setattr(preparing, "prepare_data", None)
    monkeypatch.setattr(stages, "load", None)
    rundir = RunDir(tmp_path / "run")
    with rundir.open(small):
        for stage in (stages.run, stages.distill):
            with pytest.raises(UserError, match=r"this process would need about \d+ MB of memory, and can have 100 MB"):
                stage(small, rundir)
    assert not rundir.prepared.exists()
