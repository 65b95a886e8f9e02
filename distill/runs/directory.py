"""The run directory: the unit of work, of resuming and of locking."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etils import epath

from kerneldistill.config.differences import differences, in_words
from kerneldistill.config.schema import Config
from kerneldistill.config.toml import config_from_toml, config_to_toml
from kerneldistill.config.validation import check
from kerneldistill.errors import UserError
from kerneldistill.runs.config_changes import append_changes, may_resume
from kerneldistill.runs.finished_files import FinishedFiles, irregular
from kerneldistill.runs.last_error import failures_recorded
from kerneldistill.runs.lock import locked
from kerneldistill.runs.run_files import RunFiles
from kerneldistill.runtime import environment
from kerneldistill.runtime.console import tell

LOG = logging.getLogger(__name__)


def is_run(folder: Path | epath.Path) -> bool:
    """Return whether a folder is a run directory, finished or not."""
    return (folder / "config.toml").exists()


# Settings that differ, of which a message tells.
_TOLD = 2


@dataclass(frozen=True)
class RunDir(RunFiles):
    """A folder that holds one run, whole.

    path: the folder
    temporary: whether it goes away with the result, so that nobody need be told where it is

    Example:
      with RunDir(Path("runs/digits")).open(config) as rundir:
          ...
    """

    temporary: bool = False

    @property
    def coarse(self) -> "RunDir":
        """The run that learned at the level before, where `coarse` has levels."""
        return RunDir(self.path / "coarse", self.temporary)

    @property
    def finished(self) -> FinishedFiles:
        """The digests of the files that are whole."""
        return FinishedFiles(self.path)

    @property
    def has_begun(self) -> bool:
        """Whether a step, or a part of a Label Solve, is done there: what hangs on the configuration."""
        files = (self.metrics_file, self.triangle_file, self.outcome_file, self.results_file)
        return any(map(os.path.lexists, files))

    @contextmanager
    def open(self, config: Config) -> Iterator["RunDir"]:
        """Create the directory, or go on in it, and keep other processes out until the block ends.

        Args:
          config: the configuration of the run. If the directory has one, and it `has_begun`, they may differ in what
            `may_resume` names.

        Raises:
          UserError: `config` has an impossible value, another process writes there, the run there has another
            configuration, the folder holds something else, or it cannot be created.
        """
        check(config)
        self._create()
        with locked(self.path):
            if not self.config_file.exists() or self._changed(config):
                self.finished.write(self.config_file, config_to_toml(config).encode())
            with failures_recorded(self.failure_file):
                yield self

    @contextmanager
    def reopen(self) -> Iterator["RunDir"]:
        """Go on in a directory that must exist, and keep other processes out until the block ends.

        Raises:
          UserError: another process writes there, or it is no run directory.
        """
        if not self.config_file.is_file():
            raise UserError(f"RUN is {self.path}, which has no config.toml: give a folder that kdistill run made")
        with locked(self.path), failures_recorded(self.failure_file):
            yield self

    def config(self) -> Config:
        """The configuration in the directory.

        Raises:
          UserError: its config.toml is damaged or of another version of this program, or something in the directory
            cannot be read as a file.
        """
        for problem in irregular(self.path):
            raise UserError(problem)
        try:
            return config_from_toml(self.config_file.read_text(encoding="utf-8"), str(self.config_file))
        except (UnicodeDecodeError, OSError) as error:
            raise UserError(f"{self.config_file} is damaged: {error}. Start again with another --dir") from error

    def tie_to_data(self, fingerprint: str) -> None:
        """Remember the data a run begins with, and refuse others later: its checkpoints were learned from them.

        Raises:
          UserError: the run began with other data.
        """
        if not self.fingerprint_file.exists():
            self.finished.write(self.fingerprint_file, f"{fingerprint}\n".encode())
        elif (begun := self.fingerprint_file.read_text(encoding="utf-8").strip()) != fingerprint:
            raise UserError(
                f"the prepared data in {self.path} have fingerprint {fingerprint[:16]}, but the run began with "
                f"{begun[:16]}: the source data were replaced. Put them back, or start a new run with another --dir"
            )

    def record_environment(self) -> None:
        """Add this process's versions and devices, if they are not those of the session before; starts jax.

        A changed environment is warned of, since it may change the last bits of a resumed run.
        """
        now, file = environment.current(), self.environment_file
        sessions = environment.from_json(file.read_text(encoding="utf-8")) if file.exists() else []
        if sessions and sessions[-1] == now:
            return
        if sessions:
            LOG.warning("%s goes on in another environment than it began in; see %s", self.path, file)
        self.finished.write(file, environment.to_json([*sessions, now]).encode())

    def _create(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in self.path.iterdir()}
        except OSError as error:
            raise UserError(
                f"--dir is {self.path}, which cannot be used: {error.strerror}. Choose another --dir"
            ) from error
        # A process that died here may have left its lock and a part of the configuration.
        foreign = sorted(name for name in names if name != ".lock" and not name.startswith(".config.toml."))
        if foreign and "config.toml" not in names:
            raise UserError(
                f"--dir is {self.path}, which holds {foreign[0]!r} and no config.toml, so no run of kdistill: "
                "choose an empty or a new folder"
            )

    def _changed(self, config: Config) -> bool:
        """Return whether settings changed; report and record the changes, or begin anew where nothing is done."""
        changes = differences(self.config(), config)
        if changes and not self.has_begun:
            self._begin_anew()
            return True
        fixed = [change for change in changes if not may_resume(change, config)]
        if fixed:
            more = f" and {len(fixed) - _TOLD} more" if len(fixed) > _TOLD else ""
            raise UserError(
                f"{self.path} holds a run of another configuration: {in_words(fixed[:_TOLD])}{more}. Change that back, "
                f"or give another --dir (--fork {self.path} begins there with these images)"
            )
        if changes:
            self.finished.forget(self.changes_file)
            append_changes(self.changes_file, changes)
            self.finished.add()
            tell(f"{self.path} goes on with changes: {in_words(changes)}")
        return bool(changes)

    def _begin_anew(self) -> None:
        """Remove what hangs on another configuration; prepared data are compared, and kept or made anew, later."""
        files = (self.start_file, self.fingerprint_file, self.encoder_file, self.fork_file)
        folders = (self.fork, self.features, self.coarse.path)
        self.finished.forget(*files, *folders)
        for path in files:
            path.unlink(missing_ok=True)
        for folder in folders:
            if folder.is_dir():
                shutil.rmtree(folder)
