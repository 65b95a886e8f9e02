"""Save the states of a run: the newest as scheduled and when it must end, and the best apart."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from kerneldistill.config.schema import Config
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.schedule import to_save
from kerneldistill.runtime.distributed import collectives

State = TypeVar("State")


class CheckpointSaver(Generic[State]):
    """Save states as the configuration says.

    Args:
      config: of the run
      checkpoints: the newest states, to resume from
      best: the state that predicted validation best, apart: newer ones never push it out
      on_save: called with each state that is saved when due
      clock: seconds, for tests

    Example:
      saver.begin(step, state)
      while ...:
          saver.step_done(step, state, is_best=...)
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
        """Take the state where the run starts, or goes on, as saved."""
        self._step, self._state, self._saved = step, state, step
        self._saved_at = self._clock()

    def step_done(self, step: int, state: State, is_best: bool) -> None:
        """Take the state after a step as the newest, and save it if it is due, or the best.

        Raises:
          CheckpointError: the state is due and cannot be written.
        """
        with self._lock:
            self._step, self._state = step, state
            if is_best:
                self.best.save(step, state)
                self.best.keep_only(step)
            due = to_save(step, self._clock() - self._saved_at, self._config)
            if not collectives.broadcast(np.array(due, np.uint32)):  # by the clock of the first process
                return
            self.save()
        self._on_save(state)

    def save(self) -> None:
        """Save the newest state unless it is saved already.

        Raises:
          CheckpointError: it cannot be written.
        """
        with self._lock:
            if self._saved != self._step:
                self.checkpoints.save(self._step, self._state)
                self._saved, self._saved_at = self._step, self._clock()
