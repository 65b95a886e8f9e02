"""The files and folders of a run directory, by what they hold."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFiles:
    """Where everything of a run is.

    path: its folder
    """

    path: Path

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
    def triangle_file(self) -> Path:
        """What Label Solve has of the targets so far, .npz; gone when the labels are solved."""
        return self.path / "label_solve.npz"

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
    def evaluation(self) -> Path:
        """What protocols and studies have finished."""
        return self.path / "evaluation"

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
