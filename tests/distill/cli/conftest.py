"""Commands whose work is replaced by a record of what is called."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from kerneldistill.runs.conduct import Conduct
from kerneldistill.runtime import devices

Calls = list[tuple[object, ...]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calls:
    """What the commands call, in order; `kerneldistill.runs.stages` is replaced, and the working directory is empty."""
    made: Calls = []

    def recorder(name: str) -> Callable[..., None]:
        def record(*arguments: object) -> None:
            made.append((name, *(each.options if isinstance(each, Conduct) else each for each in arguments)))

        return record

    run = ModuleType("kerneldistill.runs.stages")
    for name in ("run", "prepare", "distill", "label_solve", "evaluate", "export"):
        setattr(run, name, recorder(name))
    monkeypatch.setitem(sys.modules, "kerneldistill.runs.stages", run)
    monkeypatch.setattr("kerneldistill.runs.stages", run, raising=False)
    monkeypatch.setattr("kerneldistill.runs.preparing.check_given", lambda config, rundir, prepared: None)
    monkeypatch.setattr(devices, "setup", recorder("devices"))
    monkeypatch.chdir(tmp_path)
    return made
