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
from kerneldistill.runtime import environment
from kerneldistill.runtime.console import tell

LOG = logging.getLogger(__name__)


def is_run(folder: Path | epath.Path) -> bool:
    """Return whether a folder is a run directory, finished or not."""
    return (folder / "config.toml").exists()


# Settings that differ, of which a message tells.
_TOLD = 2


@dataclass(frozen=True)
class RunDir:
    """A folder that holds one run, whole.

    path: the folder
    temporary: whether it goes away with the result, so that nobody need be told where it is

    Example:
      with RunDir(Path("runs/digits")).open(config) as rundir:
          ...
    """

    path: Path
    temporary: bool = False

    @property
    def config_file(self) -> Path:
        """The configuration as resolved, TOML. Written first; what has none is no run directory."""
        return self.path / "config.toml"

    @property
    def environment_file(self) -> Path:
        """Versions and devices of every session that computed, JSON."""
        return self.path / "environment.json"

    @property
    def arrays_file(self) -> Path:
        """Images and labels that were given as arrays, .npz; absent where the data were read from elsewhere."""
        return self.path / "arrays.npz"

    @property
    def prepared(self) -> Path:
        """Folder of the prepared data set."""
        return self.path / "prepared"

    @property
    def fingerprint_file(self) -> Path:
        """Fingerprint of the prepared data that the run began with."""
        return self.path / "data.fingerprint"

    @property
    def encoder_file(self) -> Path:
        """The encoder that the run began with, JSON; absent where the kernel is that of a network."""
        return self.path / "encoder.json"

    @property
    def features(self) -> Path:
        """Folder of the features of all images, which are made again where they are missing."""
        return self.path / "features"

    @property
    def start_file(self) -> Path:
        """Where the run began, if that was a set distilled elsewhere."""
        return self.path / "start.npz"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Folder of the state that predicted validation best."""
        return self.path / "best"

    @property
    def metrics_file(self) -> Path:
        """One JSON line a step."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """Folder of TensorBoard's view of the metrics."""
        return self.path / "events"

    @property
    def live_picture(self) -> Path:
        """The images as they were at the last checkpoint, PNG."""
        return self.path / "live.png"

    @property
    def frames(self) -> Path:
        """Folder of small pictures of the images, by steps."""
        return self.path / "frames"

    @property
    def evolution(self) -> Path:
        """The images as they evolved, GIF."""
        return self.path / "evolution.gif"

    @property
    def outcome_file(self) -> Path:
        """The chosen support, .npz."""
        return self.path / "outcome.npz"

    @property
    def results_file(self) -> Path:
        """What was measured at the end, JSON."""
        return self.path / "results.json"

    @property
    def bundle(self) -> Path:
        """Folder of the exported bundle."""
        return self.path / "bundle"

    @property
    def picture(self) -> Path:
        """The learned images beside their starts, PNG."""
        return self.path / "support.png"

    @property
    def stages_file(self) -> Path:
        """What each finished stage was made from, JSON."""
        return self.path / "stages.json"

    @property
    def failure_file(self) -> Path:
        """The error that ended the last session, JSON; absent after any other end."""
        return self.path / "failure.json"

    @property
    def fork_file(self) -> Path:
        """Where a forked run began, JSON."""
        return self.path / "fork.json"

    @property
    def fork(self) -> Path:
        """Folder of the state that a forked run began with."""
        return self.path / "fork"

    @property
    def changes_file(self) -> Path:
        """What was changed in the configuration as the run went on, one JSON line a time."""
        return self.path / "changes.jsonl"

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
        """Whether a step is done there, or labels are solved for: what hangs on the configuration."""
        return any(map(os.path.lexists, (self.metrics_file, self.outcome_file, self.results_file)))

    @contextmanager
    def open(self, config: Config) -> Iterator["RunDir"]:
        """Create the directory, or go on in it, and keep other processes out until the block ends.

        Args:
          config: the configuration of the run. If the directory has one, and a step is done there, they may differ in
            what `may_resume` names.

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
