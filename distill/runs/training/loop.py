"""The outer loop: step after step, measured, saved and resumed. All of its state is in `TrainState`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.kip import Learner, Taken, advance, begin, raised
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.scoring import Score, evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.runs.training.metrics import MetricsLog, Record
from kerneldistill.runs.training.recovery import GaveUpError, check_range, safely
from kerneldistill.runs.training.saver import Keeper
from kerneldistill.runs.training.schedule import to_validate
from kerneldistill.runs.training.tensorboard import Events
from kerneldistill.runtime.console import StepProgress
from kerneldistill.runtime.signals import Deferred, Watch, handled


class Best(NamedTuple):
    """The support that predicted the validation split best; of equals the one of less mse, then the earlier.

    support: as it was
    step: at which
    score: on validation
    ridge: it was scored with, relative to the mean diagonal
    """

    support: Support
    step: int
    score: Score
    ridge: float


class TrainState(NamedTuple):
    """Everything a run needs to go on. Random draws are functions of the seed and the step, and need no state.

    step: outer steps done
    learner: after them
    best: by validation so far
    rollbacks: faults so far, each of which raised the ridge
    elapsed: seconds spent in the loop, in all sessions, without what was lost
    """

    step: int
    learner: Learner
    best: Best
    rollbacks: int = 0
    elapsed: float = 0.0


class _Session(NamedTuple):
    """What the steps of one process share.

    problem: worked on
    watch: sees every chunk of work before it is begun
    note: tells the user one line
    clock: seconds the loop has taken in all sessions
    """

    problem: Problem
    watch: Watch
    note: Callable[[str], None]
    clock: Callable[[], float]


def train(
    problem: Problem,
    keeper: Keeper[TrainState],
    log: MetricsLog,
    events_folder: Path | None = None,
    first: TrainState | None = None,
) -> TrainState:
    """Runs, or goes on, to the last step of the configuration; saves as it goes and when interrupted.

    Args:
      problem: to solve
      keeper: of the states
      log: one record a step
      events_folder: of TensorBoard's view of the record; None for none
      first: where a run begins that has no checkpoint; by default at step 0

    Raises:
      UserError: arithmetic fails whatever the ridge, after the last good step is saved; or a checkpoint cannot be used
        or written.
      KeyboardInterrupt: after the last finished step is saved.
    """
    steps, began = problem.config.optim.steps, time.perf_counter()
    first = fresh(problem) if first is None else first
    restored = keeper.checkpoints.restore_latest(first)
    state = first if restored is None else restored[1]
    before = state.elapsed
    log.truncate_after(-1 if restored is None else state.step)
    keeper.begin(state.step, state)
    with (
        handled(),
        Deferred(keeper.save) as signals,
        StepProgress(steps, done=state.step) as progress,
        Events(events_folder, log) as events,
    ):
        session = _Session(problem, signals.watch, progress.note, lambda: before + time.perf_counter() - began)
        try:
            if restored is None:
                state, record = _start(session, state)
                log.append(record)
                events.add(record)
                keeper.begin(state.step, state)
            while state.step < steps:
                signals.poll()
                ahead, record = _step(session, state)
                log.append(record)
                events.add(record)
                state = ahead  # not before its record is written: what is interrupted here is done again
                progress.update(state.step, record["loss"], record.get("validation_accuracy"))
                keeper.finished(state.step, state, is_best="validation_mse" in record and state.best.step == state.step)
        except (KeyboardInterrupt, GaveUpError):
            keeper.save()
            raise
    return state


def fresh(problem: Problem) -> TrainState:
    """Step 0. Anything that has a score is better than its best."""
    return TrainState(0, begin(problem), Best(problem.start, 0, Score(-1.0, np.inf), problem.config.krr.ridge))


def _start(session: _Session, first: TrainState) -> tuple[TrainState, Record]:
    """Scores the support that the run begins with."""
    problem = session.problem

    def attempt(factor: float) -> tuple[Best, Record]:
        return _validated(session, first.best, first.learner.support, first.step, factor)

    (best, scored), rollbacks = safely(attempt, first.step, first.rollbacks, problem.config, session.note)
    state = first._replace(best=best, rollbacks=rollbacks, elapsed=session.clock())
    return state, {"step": state.step, "rollbacks": rollbacks, **scored, "elapsed": state.elapsed}


def _step(session: _Session, state: TrainState) -> tuple[TrainState, Record]:
    problem, step = session.problem, state.step + 1

    def attempt(factor: float) -> tuple[Taken, Record, Best, Record]:
        began = time.perf_counter()
        taken = advance(problem, state.learner, state.step, session.watch, factor)
        check_range(problem, state.learner.support.images, taken)
        record = _record(step, taken, time.perf_counter() - began)
        if not to_validate(step, problem.config):
            return taken, record, state.best, {}
        return taken, record, *_validated(session, state.best, taken.learner.support, step, factor)

    (taken, record, best, scored), rollbacks = safely(attempt, step, state.rollbacks, problem.config, session.note)
    ahead = TrainState(step, taken.learner, best, rollbacks, session.clock())
    return ahead, {**record, "rollbacks": rollbacks, **scored, "elapsed": ahead.elapsed}


def _record(step: int, taken: Taken, seconds: float) -> Record:
    return {
        "step": step,
        "loss": taken.loss,
        "gradient_norm": taken.gradient_norm,
        "condition": taken.condition,
        "ridge": taken.ridge,
        "seconds": seconds,
        "entries_per_second": taken.entries / seconds,
    }


def _validated(session: _Session, best: Best, support: Support, step: int, factor: float) -> tuple[Best, Record]:
    """The best of `best` and a support, and what validation says of it. Without validation the newest is the best."""
    problem, ridge = session.problem, raised(session.problem.config, factor)
    if not len(problem.validation):
        return Best(support, step, best.score, ridge), {}
    began = time.perf_counter()
    source = regressed(support, problem.config.support.flip)
    score = evaluate(problem.engine, source, problem.validation, ridge, session.watch)
    beats = (score.accuracy, -score.mse) > (best.score.accuracy, -best.score.mse)
    record = {"validation_accuracy": score.accuracy, "validation_mse": score.mse}
    record["validation_seconds"] = time.perf_counter() - began
    return Best(support, step, score, ridge) if beats else best, record
