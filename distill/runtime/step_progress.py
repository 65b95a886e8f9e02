"""The progress of the outer loop: steps, loss, validation, seconds a step and the time left."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from kerneldistill.runtime import once
from kerneldistill.runtime.console import duration, tell, told_at
from kerneldistill.runtime.progress import activity

# Between two lines where there is no terminal, unless there is a validation accuracy to tell.
LINE_SECONDS = 25.0
# Newest steps from which the time of one is taken.
RECENT = 20


class StepProgress:
    """Steps done, loss, validation accuracy, seconds a step and time left; what is done once is left out of these.

    Args:
      total: steps of the whole run
      done: steps that are done already, when resuming
      clock: seconds without those of what is done once, for tests

    Example:
      with StepProgress(total=300, done=start) as progress:
          progress.begin()
          for step in range(start, 300):
              ...
              progress.update(step + 1, loss)
    """

    def __init__(
        self, total: int, done: int = 0, clock: Callable[[], float] = lambda: time.perf_counter() - once.seconds()
    ) -> None:
        self._clock = clock
        self._total = total
        self._marks = deque([(done, clock())], maxlen=RECENT + 1)
        self._updates = 0
        self._accuracy: float | None = None
        self._text = ""
        self._stack = ExitStack()

    def __enter__(self) -> "StepProgress":
        self._shown = self._stack.enter_context(activity("learning", self._total, "steps"))
        self._shown.update(self._marks[0][0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def begin(self) -> None:
        """Say that the first step of the session begins now."""
        self._marks[0] = (self._marks[0][0], self._clock())

    def update(self, step: int, loss: float, validation_accuracy: float | None = None) -> None:
        """Tell that `step` steps are done.

        Args:
          step: steps done in all
          loss: of the last step
          validation_accuracy: 0..1, if it was measured after this step; the last one is repeated otherwise
        """
        self._accuracy = self._accuracy if validation_accuracy is None else validation_accuracy
        self._marks.append((step, self._clock()))
        self._updates += 1
        if self._updates == 2:  # the first step has something of its own all the same
            self._marks.popleft()
        text = self._line(step, loss)
        self._shown.update(step, text)
        worth_a_line = validation_accuracy is not None or self._updates == 1
        worth_a_line |= time.perf_counter() - told_at() >= LINE_SECONDS
        if step == self._total or (worth_a_line and not self._shown.moves):
            tell(f"step {step}/{self._total}  {text}")

    def _line(self, step: int, loss: float) -> str:
        parts = [f"loss {loss:.5f}"]
        if self._accuracy is not None:
            parts.append(f"validation {self._accuracy:.1%}")
        (first, began), (last, now) = self._marks[0], self._marks[-1]
        each = (now - began) / (last - first)
        parts.append(f"{duration(each)}/step")
        if step < self._total:
            parts.append(f"{duration(each * (self._total - step))} left")
        return "  ".join(parts)
