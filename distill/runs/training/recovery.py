"""Numerical safety: undo a step whose arithmetic failed, try it again with a larger ridge, and give up in the end.

A step counts when it is whole: its gradient finite, its images within the range of the kernel's precision, and, where
it is validated, their kernel solvable. A step that fails is undone, back to the last good one, and tried again with a
ridge `RAISE` times larger, which stays for the rest of the run. Steps are functions of the state, and the number of
rollbacks is part of it: a resumed run rolls back where an undisturbed one does.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from kerneldistill.algorithms.gradient import regression_of
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.registry import algorithm_of
from kerneldistill.algorithms.ridge import scaled_ridge
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError

# The ridge after a rollback, relative to the one before.
RAISE = 10.0
# Rollbacks in a run. The next failure ends it.
MAX_ROLLBACKS = 5

# A kernel entry is of the size of an image's mean square; what the layers and sums in between may add to it.
_HEADROOM = 1e-6

Result = TypeVar("Result")


class GaveUpError(UserError):
    """A run cannot go on: its arithmetic fails whatever the ridge. The message is the diagnosis."""


def ridge_factor(rollbacks: int) -> float:
    """The factor of the ridge after `rollbacks` rollbacks."""
    return RAISE**rollbacks


def retry_with_larger_ridge(
    attempt: Callable[[float], Result], step: int, rollbacks: int, config: Config, note: Callable[[str], None]
) -> tuple[Result, int]:
    """Call `attempt` with the factor of the ridge, and again with a larger one each time its arithmetic fails.

    Args:
      attempt: gives the result, or raises NumericalError, and changes nothing
      step: that is attempted, counted from 1; 0 is the start
      rollbacks: in the run so far
      config: of the run
      note: tells the user one line

    Returns:
      The result, and the rollbacks in the run after it.

    Raises:
      GaveUpError: there were `MAX_ROLLBACKS` rollbacks already.
    """
    while True:
        try:
            return attempt(ridge_factor(rollbacks)), rollbacks
        except NumericalError as error:
            if rollbacks == MAX_ROLLBACKS:
                raise _gave_up(error.at(step), config) from error
            rollbacks += 1
            ridge = scaled_ridge(config, ridge_factor(rollbacks))
            note(f"rollback {rollbacks} of {MAX_ROLLBACKS}: {error.at(step)}. Trying again with a ridge of {ridge:.1e}")


def check_range(problem: Problem, before: np.ndarray, after: np.ndarray, ridge: float) -> None:
    """Check that the kernel of the images after a step can be held in its precision.

    Args:
      problem: of the run
      before: [s, h, w, c] images before the step
      after: [s, h, w, c] images after it
      ridge: of the step, relative to the mean diagonal

    Raises:
      NumericalError: it cannot. The worst image is the largest; the numbers are those of the kernel before the step.
    """
    images = after.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        power = np.mean(images * images, axis=(1, 2, 3))
    power = np.where(np.isnan(power), np.inf, power)
    if power.max() <= _HEADROOM * np.finfo(problem.engine.dtype).max:
        return
    regression = regression_of(problem.engine, problem.engine.support_features(before), ridge)
    raise NumericalError(
        f"the images have left the range of {problem.engine.dtype}, one has a root mean square of "
        f"{np.sqrt(power.max()):.1e}",
        algorithm_of(problem.config).shorter_steps,
        regression.diagnosis()._replace(worst_image=int(power.argmax())),
    )


def _gave_up(error: NumericalError, config: Config) -> GaveUpError:
    ridge = scaled_ridge(config, ridge_factor(MAX_ROLLBACKS))
    kept = "the state before this step, the last good one, is saved" if error.step else "nothing is learned yet"
    return GaveUpError(
        f"{error}. Gave up after {MAX_ROLLBACKS} rollbacks, the last with a ridge of {ridge:.1e}; {kept}. Change what "
        "the remedy names, in another --dir, from the start or with --fork from here"
    )
