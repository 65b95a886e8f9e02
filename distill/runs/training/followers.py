"""What follows a run elsewhere, beside `metrics.jsonl`, which is the record: TensorBoard, Weights & Biases.

A new one is a class with the three methods of `Follower`, and its name in `runs.conduct.FollowerName`, its row in
`_MODULES` and its line in `followers_of`.
"""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Protocol

from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.training.metrics import MetricsLog, Record

LOG = logging.getLogger(__name__)

# The module that each needs.
_MODULES = {"tensorboard": "tensorboardX", "wandb": "wandb"}


class Follower(Protocol):
    """Follows the records of a run."""

    def begin(self, records: Sequence[Record]) -> None:
        """Take the records so far, from which the run goes on.

        Raises:
          UserError: it cannot be followed.
        """
        ...

    def add(self, record: Record) -> None:
        """Take one more."""
        ...

    def end(self, failed: bool) -> None:
        """Close; `failed`: whether the run ended before its last step."""
        ...


class Followers:
    """Several of them, none of which can end a run.

    Args:
      followers: that are told
      log: the record so far, truncated to where the run goes on

    Example:
      with Followers([TensorBoard(rundir.events)], log) as followers:
          followers.add({"step": 1, "loss": 0.25})
    """

    def __init__(self, followers: Sequence[Follower], log: MetricsLog) -> None:
        self._followers = list(followers)
        self._log = log

    def __enter__(self) -> "Followers":
        records = self._log.read() if self._followers else []
        for follower in self._followers:
            follower.begin(records)
        return self

    def add(self, record: Record) -> None:
        """Tell all of a record; who fails is told no more."""
        for follower in self._followers[:]:
            try:
                follower.add(record)
            except Exception as error:  # of any class: it is somebody else's program
                self._followers.remove(follower)
                LOG.warning("%s follows no more (%s): the run goes on", type(follower).__name__, error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for follower in self._followers:
            try:
                follower.end(kind is not None)
            except Exception as fault:
                LOG.warning("%s did not end well: %s", type(follower).__name__, fault)


def check_followers(names: Sequence[str]) -> None:
    """Check before anything slow that what is asked for is installed.

    Raises:
      UserError: it is not.
    """
    for name in names:
        if find_spec(_MODULES[name]) is None:
            raise UserError(f"--track has {name}, which is not installed: pip install 'kerneldistill[{name}]'")


def followers_of(rundir: RunDir, names: Sequence[str]) -> list[Follower]:
    """Who follows a run: TensorBoard wherever it is installed, and who is named."""
    found: list[Follower] = []
    if find_spec(_MODULES["tensorboard"]) is not None:
        from kerneldistill.runs.training.tensorboard import TensorBoard

        found.append(TensorBoard(rundir.events))
    if "wandb" in names:
        from kerneldistill.runs.training.weights_and_biases import WeightsAndBiases

        found.append(WeightsAndBiases(rundir))
    return found
