"""Which stages of a run are done: a file holds digests of the inputs and the outputs of each.

A stage is done while both are as they were, as with `make`, but by content. A run makes again what is missing, damaged
or made from something else.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from etils import epath

from kerneldistill.config.marks import StageName
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import settings
from kerneldistill.errors import UserError
from kerneldistill.pipeline.prepared import check_files
from kerneldistill.pipeline.storage.files import names_below, sha256, write_whole
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.directory import RunDir

LOG = logging.getLogger(__name__)


class Stage(NamedTuple):
    """A stage of a run.

    name: of the stage
    inputs: what it is made from: files and folders, or texts
    outputs: files and folders it makes
    """

    name: str
    inputs: Sequence[Path | str]
    outputs: Sequence[Path]


class Stages:
    """The finished stages of a run directory.

    Args:
      file: that remembers them; made by the first.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def is_done(self, stage: Stage) -> bool:
        """Whether its inputs and outputs are as they were when it was done."""
        return self._read().get(stage.name) == _digests(stage)

    def knows(self, name: str) -> bool:
        """Whether the stage was ever done."""
        return name in self._read()

    def done(self, stage: Stage) -> None:
        """Record a stage that has just been done."""
        known = {**self._read(), stage.name: _digests(stage)}
        write_whole(self._file, (json.dumps(known, indent=2) + "\n").encode())

    def _read(self) -> dict[str, dict[str, str]]:
        # A file that is lost or damaged costs no more than doing the stages again.
        try:
            known = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def stages_of(config: Config, rundir: RunDir, first: str = "distill") -> tuple[Stage, ...]:
    """The stages after the data are prepared, each made from what those before it made.

    first: makes the outcome: distill, or label-solve
    """
    # Shared data may be made again, by other versions of the libraries: the same images, another manifest.
    data = rundir.fingerprint_file if rundir.prepared.is_symlink() else rundir.prepared / "manifest.json"
    encoder = [rundir.encoder_file] if config.kernel.encoder is not None else []
    outcome, results = rundir.outcome_file, rundir.results_file
    distill, evaluate = _values(config, "distill"), _values(config, "evaluate")
    return (
        Stage(first, (distill, data, rundir.fork_file, *encoder), (outcome,)),
        Stage("evaluate", (distill, evaluate, data, outcome, *encoder), (results,)),
        Stage("export", (distill, evaluate, data, outcome, results, *encoder), (rundir.bundle, rundir.picture)),
    )


def run_is_done(config: Config, rundir: RunDir, first: str = "distill") -> bool:
    """Whether all stages are done, and the data whole; warn of what is damaged and is not made again."""
    if not all(map(Stages(rundir.stages_file).is_done, stages_of(config, rundir, first))):
        return False
    try:
        manifest = Manifest.load(rundir.prepared)
        check_files(manifest.folder(epath.Path(rundir.prepared)), manifest)
    except UserError as error:
        LOG.warning("%s", error)
        return False
    for problem in rundir.finished.problems():
        LOG.warning("%s", problem)
    return True


def _values(config: Config, stage: StageName) -> str:
    """The settings on which a stage is the first to depend, as text."""
    marked = (setting for setting in settings().values() if setting.mark.stage == stage)
    return "\n".join(f"{setting.name} = {setting.of(config)!r}" for setting in marked)


def _digests(stage: Stage) -> dict[str, str]:
    return {"inputs": _joined(map(_digest, stage.inputs)), "outputs": _joined(map(_digest, stage.outputs))}


def _digest(what: Path | str) -> str:
    """Digest of a text, file or folder; a missing path has one too."""
    if isinstance(what, str):
        return _joined([what])
    if what.is_dir():
        return _joined(f"{name} {sha256(what / name)}" for name in sorted(names_below(what)))
    return sha256(what) if what.is_file() else "absent"


def _joined(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
