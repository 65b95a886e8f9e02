"""Run directories that are done in part."""

import shutil
from pathlib import Path

from kerneldistill.config.schema import Config
from kerneldistill.runs.directory import RunDir


def only_prepared(finished: RunDir, config: Config, folder: Path) -> RunDir:
    """A run directory of `config` with the prepared data of the finished run."""
    rundir = RunDir(folder)
    with rundir.open(config):
        shutil.copytree(finished.prepared, rundir.prepared)
    return rundir
