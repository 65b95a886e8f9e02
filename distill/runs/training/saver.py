"""What a run keeps of itself while it goes on: checkpoints, the best apart, and the newest step when it must end."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from kerneldistill.config.schema import Config
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.schedule import to_save

State = TypeVar("State")


class Keeper(Generic[State]):
    """Saves states as the configuration says.

    Args:
      config: of the run
      checkpoints: the newest states, to resume from
      best: the state that predicted validation best, apart: newer ones never push it out
      on_save: called with each state that is saved when due
      clock: seconds, for tests

    Example:
      keeper.begin(step, state)
      while ...:
          keeper.finished(step, state, is_best=...)
    """

    def __init__(
        self,
        config: Config,
        checkpoints: Checkpoints,
        best: Checkpoints,
        on_save: Callable[[State], None] = lambda state: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.checkpoints = checkpoints
        self.best = best
        self._config = config
        self._on_save = on_save
        self._clock = clock
        self._lock = threading.RLock()  # a rescue saves from another thread

    def begin(self, step: int, state: State) -> None:
        """Where the run starts, or goes on."""
        self._step, self._state, self._saved = step, state, step
        self._saved_at = self._clock()

    def finished(self, step: int, state: State, is_best: bool) -> None:
        """A step is done: from here on it is what would be saved.

        Raises:
          CheckpointError: the state is due and cannot be written.
        """
        with self._lock:
            self._step, self._state = step, state
            if is_best:
                self.best.save(step, state)
                self.best.keep_only(step)
            if not to_save(step, self._clock() - self._saved_at, self._config):
                return
            self.save()
        self._on_save(state)

    def save(self) -> None:
        """Saves the newest state unless it is saved already.

        Raises:
          CheckpointError: it cannot be written.
        """
        with self._lock:
            if self._saved != self._step:
                self.checkpoints.save(self._step, self._state)
                self._saved, self._saved_at = self._step, self._clock()
