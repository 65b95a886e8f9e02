"""The outer loop of any algorithm: step, measure, save, resume. All of its state is in `TrainState`."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kerneldistill.algorithms.algorithm import Algorithm, StepResult
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.ridge import ridge_of_step, scaled_ridge
from kerneldistill.algorithms.scoring import Score, evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.runs.training.metrics import MetricsLog, Record
from kerneldistill.runs.training.recovery import GaveUpError, check_range, retry_with_larger_ridge
from kerneldistill.runs.training.saver import CheckpointSaver
from kerneldistill.runs.training.schedule import to_validate
from kerneldistill.runs.training.tensorboard import Events
from kerneldistill.runtime.console import StepProgress
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll
from kerneldistill.runtime.signals import rescue


class Best(NamedTuple):
    """The support that predicted the validation split best; of equals the one of less mse, then the earlier.

    support: the images and labels
    step: outer steps behind it
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
    learner: state of the algorithm after them
    best: by validation so far
    rollbacks: steps undone so far, each of which raised the ridge
    elapsed: seconds spent in the loop, in all sessions, without what was lost
    """

    step: int
    learner: Any
    best: Best
    rollbacks: int = 0
    elapsed: float = 0.0


class _Session(NamedTuple):
    """What the steps of one process share.

    algorithm: takes them
    problem: worked on
    note: tells the user one line
    clock: seconds the loop has taken in all sessions
    """

    algorithm: Algorithm[Any]
    problem: Problem
    note: Callable[[str], None]
    clock: Callable[[], float]


def train(
    algorithm: Algorithm[Any],
    problem: Problem,
    saver: CheckpointSaver[TrainState],
    log: MetricsLog,
    events_folder: Path | None = None,
    first: TrainState | None = None,
) -> TrainState:
    """Run, or go on, to the last step of the configuration; save on the way and when interrupted.

    Args:
      algorithm: takes the steps
      problem: to solve
      saver: of the states
      log: one record a step
      events_folder: of TensorBoard's view of the record; None for none
      first: where a run begins that has no checkpoint; by default at step 0

    Raises:
      UserError: arithmetic fails whatever the ridge, after the last good step is saved; or a checkpoint cannot be used
        or written.
      KeyboardInterrupt: after the last finished step is saved.
    """
    steps, began = problem.config.optim.steps, time.perf_counter()
    first = initial_state(algorithm, problem) if first is None else first
    restored = saver.checkpoints.restore_latest(first)
    state = first if restored is None else restored[1]
    before = state.elapsed
    log.truncate_after(-1 if restored is None else state.step)
    saver.begin(state.step, state)
    # Several processes save together or not at all, so none can save for itself when it is asked to stop and is deaf.
    rescued = nullcontext() if collectives.count() > 1 else rescue(saver.save)
    with (
        rescued,
        StepProgress(steps, done=state.step) as progress,
        Events(events_folder, log) as events,
    ):
        session = _Session(algorithm, problem, progress.note, lambda: before + time.perf_counter() - began)
        try:
            if restored is None:
                state, record = _start(session, state)
                log.append(record)
                events.add(record)
                saver.begin(state.step, state)
            while state.step < steps:
                poll("step")
                next_state, record = _step(session, state)
                log.append(record)
                events.add(record)
                state = next_state  # not before its record is written: what is interrupted here is done again
                progress.update(state.step, record["loss"], record.get("validation_accuracy"))
                saver.step_done(state.step, state, is_best="validation_mse" in record and state.best.step == state.step)
        except (KeyboardInterrupt, GaveUpError):
            saver.save()
            raise
    return state


def initial_state(algorithm: Algorithm[Any], problem: Problem) -> TrainState:
    """Step 0. Anything that has a score is better than its best."""
    return TrainState(0, algorithm.init(problem), Best(problem.start, 0, Score(-1.0, np.inf), problem.config.krr.ridge))


def _start(session: _Session, first: TrainState) -> tuple[TrainState, Record]:
    """Score the support that the run begins with."""
    config, support = session.problem.config, session.algorithm.support(first.learner)

    def attempt(factor: float) -> tuple[Best, Record]:
        return _validate(session, first.best, support, first.step, factor)

    (best, scored), rollbacks = retry_with_larger_ridge(attempt, first.step, first.rollbacks, config, session.note)
    state = first._replace(best=best, rollbacks=rollbacks, elapsed=session.clock())
    return state, {"step": state.step, "rollbacks": rollbacks, **scored, "elapsed": state.elapsed}


def _step(session: _Session, state: TrainState) -> tuple[TrainState, Record]:
    algorithm, problem, step = session.algorithm, session.problem, state.step + 1
    before = algorithm.support(state.learner)

    def attempt(factor: float) -> tuple[StepResult[Any], Record, Best, Record]:
        began = time.perf_counter()
        result = algorithm.step(problem, state.learner, state.step, factor)
        after = algorithm.support(result.state)
        check_range(problem, before.images, after.images, ridge_of_step(problem.config, state.step, factor))
        record = _record(step, result, time.perf_counter() - began)
        if not to_validate(step, problem.config):
            return result, record, state.best, {}
        return result, record, *_validate(session, state.best, after, step, factor)

    (result, record, best, scored), rollbacks = retry_with_larger_ridge(
        attempt, step, state.rollbacks, problem.config, session.note
    )
    next_state = TrainState(step, result.state, best, rollbacks, session.clock())
    return next_state, {**record, "rollbacks": rollbacks, **scored, "elapsed": next_state.elapsed}


def _record(step: int, result: StepResult[Any], seconds: float) -> Record:
    speed = {"seconds": seconds, "entries_per_second": result.entries / seconds}
    return {"step": step, "loss": result.loss, **result.metrics, **speed}


def _validate(session: _Session, best: Best, support: Support, step: int, factor: float) -> tuple[Best, Record]:
    """Score a support on validation and return the better one. Without validation the newest is the best."""
    problem, ridge = session.problem, scaled_ridge(session.problem.config, factor)
    if not len(problem.validation):
        return Best(support, step, best.score, ridge), {}
    began = time.perf_counter()
    source = regressed(support, problem.config.support.flip)
    score = evaluate(problem.engine, source, problem.validation, ridge)
    beats = (score.accuracy, -score.mse) > (best.score.accuracy, -best.score.mse)
    record = {"validation_accuracy": score.accuracy, "validation_mse": score.mse}
    record["validation_seconds"] = time.perf_counter() - began
    return Best(support, step, score, ridge) if beats else best, record
