"""The run directory of each case, and its progress."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from kerneldistill.config.toml import config_digest
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.results import Results
from kerneldistill.runs.sweep.cases import Case

Status = Literal["done", "started", "waiting", "failed"]


class Place(NamedTuple):
    """A case and the directory it runs in."""

    case: Case
    rundir: RunDir

    @property
    def results(self) -> Results | None:
        """The results if the run is done: export, the last stage, writes the picture last."""
        if not (self.rundir.picture.exists() and self.rundir.bundle.is_dir()):
            return None
        try:
            return Results.load(self.rundir.results_file)
        except UserError:  # missing or damaged: the run makes it again
            return None

    @property
    def status(self) -> Status:
        """The progress of the run, from its files."""
        if self.results is not None:
            return "done"
        return "started" if self.rundir.config_file.exists() else "waiting"


def places_of(cases: Sequence[Case], folder: Path) -> list[Place]:
    """Find each case's run directory: one in `folder` with its configuration, whatever its name, else a new one."""
    there = [RunDir(path.parent) for path in sorted(folder.glob("*/config.toml"))]
    places: list[Place] = []
    for case in cases:
        taken = {place.rundir.path for place in places}
        fitting = (rundir for rundir in there if rundir.path not in taken and _is_of(rundir, case))
        places.append(Place(case, next(fitting, None) or _free(case, folder)))
    return places


def _free(case: Case, folder: Path) -> RunDir:
    path = folder / case.name
    # A run of another configuration or method may have the name: of an earlier file, or started by hand.
    return RunDir(folder / f"{case.name},{config_digest(case.config)[:8]}" if os.path.lexists(path) else path)


def _is_of(rundir: RunDir, case: Case) -> bool:
    """Return whether a run directory has the configuration of `case` and nothing of the other command."""
    foreign = rundir.outcome_file if case.command == "run" else rundir.checkpoints
    if foreign.exists() and not (case.command == "run" and rundir.checkpoints.exists()):
        return False
    try:
        return rundir.config() == case.config
    except UserError:  # damaged, or of another version of this program
        return False
