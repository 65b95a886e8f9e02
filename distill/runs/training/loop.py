"""The outer loop of any algorithm: step, measure, save, resume. All of its state is in `TrainState`."""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from kerneldistill.algorithms.algorithm import Algorithm, StepResult
from kerneldistill.algorithms.averaging import Average
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.ridge import ridge_of_step, scaled_ridge
from kerneldistill.algorithms.scoring import Score, evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.config.schema import Config
from kerneldistill.runs.training.followers import Follower, Followers
from kerneldistill.runs.training.metrics import VALIDATION, MetricsLog, Record, rank
from kerneldistill.runs.training.recovery import GaveUpError, check_range, retry_with_larger_ridge
from kerneldistill.runs.training.saver import CheckpointSaver
from kerneldistill.runs.training.schedule import to_validate
from kerneldistill.runtime import once
from kerneldistill.runtime.console import tell
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll
from kerneldistill.runtime.signals import rescue
from kerneldistill.runtime.step_progress import StepProgress


class Best(NamedTuple):
    """The support that predicted the validation split best, by `evaluate.best_by`; of equals the earlier.

    support: the images and labels
    step: outer steps behind it
    score: on validation
    ridge: it was scored with, relative to the mean diagonal
    averaged: whether it is the mean of those of several steps
    """

    support: Support
    step: int
    score: Score
    ridge: float
    averaged: bool = False


class TrainState(NamedTuple):
    """Everything a run needs to go on. Random draws are functions of the seed and the step, and need no state.

    step: outer steps done
    learner: state of the algorithm after them
    best: by validation so far
    rollbacks: steps undone so far, each of which raised the ridge
    elapsed: seconds spent in the loop, in all sessions, without what was lost
    processor: seconds of processor time, likewise, of this process
    entries: kernel entries of all steps, each with its gradient
    average: of the supports; None where none is kept
    """

    step: int
    learner: Any
    best: Best
    rollbacks: int = 0
    elapsed: float = 0.0
    processor: float = 0.0
    entries: int = 0
    average: Average | None = None


class _Session(NamedTuple):
    """What the steps of one process share.

    algorithm: takes them
    problem: worked on
    clock: seconds the loop has taken in all sessions, and seconds of processor time
    """

    algorithm: Algorithm[Any]
    problem: Problem
    clock: Callable[[], tuple[float, float]]


def train(
    algorithm: Algorithm[Any],
    problem: Problem,
    saver: CheckpointSaver[TrainState],
    log: MetricsLog,
    followers: Sequence[Follower] = (),
    first: TrainState | None = None,
) -> TrainState:
    """Run, or go on, to the last step of the configuration; save on the way and when interrupted.

    Args:
      algorithm: takes the steps
      problem: to solve
      saver: of the states
      log: one record a step
      followers: told of every record
      first: where a run begins that has no checkpoint; by default at step 0

    Raises:
      UserError: arithmetic fails whatever the ridge, after the last good step is saved; or a checkpoint cannot be used
        or written.
      KeyboardInterrupt: after the last finished step is saved.
    """
    steps, clock = problem.config.optim.steps, _clock()
    first = initial_state(algorithm, problem) if first is None else first
    restored = saver.checkpoints.restore_latest(first)
    state = first if restored is None else restored[1]
    before = state.elapsed, state.processor
    log.truncate_after(-1 if restored is None else state.step)
    saver.begin(state.step, state)
    # Several processes save together or not at all, so none can save for itself when it is asked to stop and is deaf.
    rescued = nullcontext() if collectives.count() > 1 else rescue(saver.save)
    with (
        rescued,
        StepProgress(steps, done=state.step) as progress,
        Followers(followers, log) as following,
    ):
        session = _Session(algorithm, problem, partial(clock, *before))
        try:
            if restored is not None:
                tell(f"resuming after step {state.step}" if state.step < steps else f"all {steps} steps are done")
            if restored is None:
                state, record = _start(session, state)
                log.append(record)
                following.add(record)
                saver.begin(state.step, state)
            progress.begin()
            while state.step < steps and not _out_of_patience(state, problem):
                poll("step")
                next_state, record = _step(session, state)
                log.append(record)
                following.add(record)
                state = next_state  # not before its record is written: what is interrupted here is done again
                progress.update(state.step, record["loss"], record.get("validation_accuracy"))
                saver.step_done(state.step, state, is_best="validation_mse" in record and state.best.step == state.step)
            if state.step < steps:
                patience = problem.config.optim.patience
                tell(f"no set was better than that of step {state.best.step:,} for {patience:,} steps: end of learning")
                saver.save()
        except (KeyboardInterrupt, GaveUpError):
            saver.save()
            raise
    return state


def _out_of_patience(state: TrainState, problem: Problem) -> bool:
    """Whether so many steps have brought nothing better on validation that the run ends."""
    patience = problem.config.optim.patience
    return patience is not None and state.step - state.best.step >= patience


def initial_state(algorithm: Algorithm[Any], problem: Problem) -> TrainState:
    """Step 0. Anything that has a score is better than its best."""
    config = problem.config
    best = Best(problem.start, 0, Score(-1.0, np.inf), config.krr.ridge)
    average = None if config.optim.average is None else Average(problem.start)
    return TrainState(0, algorithm.init(problem), best, average=average)


def _clock() -> Callable[[float, float], tuple[float, float]]:
    """Start a clock of seconds and of processor seconds, which tells what is added to those before."""
    began = time.perf_counter(), time.process_time()
    return lambda *before: (before[0] + time.perf_counter() - began[0], before[1] + time.process_time() - began[1])


def _start(session: _Session, first: TrainState) -> tuple[TrainState, Record]:
    """Score the support that the run begins with."""
    config, support = session.problem.config, session.algorithm.support(first.learner)

    def attempt(factor: float) -> tuple[Best, Record]:
        return _validate(session, first.best, [support], first.step, factor)

    (best, scored), rollbacks = retry_with_larger_ridge(attempt, first.step, first.rollbacks, config, tell)
    elapsed, processor = session.clock()
    state = first._replace(best=best, rollbacks=rollbacks, elapsed=elapsed, processor=processor)
    return state, {"step": state.step, "rollbacks": rollbacks, **scored, **_so_far(state)}


def _step(session: _Session, state: TrainState) -> tuple[TrainState, Record]:
    algorithm, problem, step = session.algorithm, session.problem, state.step + 1
    once_before = once.seconds()
    before = algorithm.support(state.learner)

    def attempt(factor: float) -> tuple[StepResult[Any], Average | None, Record, Best, Record]:
        began = time.perf_counter()
        result = algorithm.step(problem, state.learner, state.step, factor)
        after = algorithm.support(result.state)
        check_range(problem, before.images, after.images, ridge_of_step(problem.config, state.step, factor))
        record = _record(step, result, time.perf_counter() - began)
        average = _average(problem.config, state.average, after)
        if not to_validate(step, problem.config):
            return result, average, record, state.best, {}
        candidates = [after] if average is None else [after, average.support]
        return result, average, record, *_validate(session, state.best, candidates, step, factor)

    (result, average, record, best, scored), rollbacks = retry_with_larger_ridge(
        attempt, step, state.rollbacks, problem.config, tell
    )
    entries = state.entries + result.entries
    next_state = TrainState(step, result.state, best, rollbacks, *session.clock(), entries, average)
    spent = {"once_seconds": once.seconds() - once_before}
    return next_state, {**record, **spent, "rollbacks": rollbacks, **scored, **_so_far(next_state)}


def _average(config: Config, before: Average | None, support: Support) -> Average | None:
    fraction = config.optim.average
    return None if fraction is None or before is None else before.after(support, fraction)


def _so_far(state: TrainState) -> Record:
    """What all steps took together, so that curves can be drawn over it."""
    return {"entries": state.entries, "elapsed": state.elapsed, "elapsed_processor": state.processor}


def _record(step: int, result: StepResult[Any], seconds: float) -> Record:
    speed = {"seconds": seconds, "entries_per_second": result.entries / seconds}
    return {"step": step, "loss": result.loss, **result.metrics, **speed}


def _validate(
    session: _Session, best: Best, candidates: Sequence[Support], step: int, factor: float
) -> tuple[Best, Record]:
    """Score supports on validation and return the best so far. Without validation the last of the newest is the best.

    candidates: the newest, and its average where one is kept
    """
    problem, config = session.problem, session.problem.config
    ridge, best_by = scaled_ridge(config, factor), config.evaluate.best_by
    if not len(problem.validation):
        return Best(candidates[-1], step, best.score, ridge, averaged=len(candidates) > 1), {}
    began, record = time.perf_counter(), {}
    for number, support in enumerate(candidates):
        source = regressed(support, config.support.flip)
        score = evaluate(problem.engine, source, problem.validation, ridge)
        if rank(score.accuracy, score.mse, best_by) > rank(best.score.accuracy, best.score.mse, best_by):
            best = Best(support, step, score, ridge, averaged=number > 0)
        record |= {f"{VALIDATION[number]}_accuracy": score.accuracy, f"{VALIDATION[number]}_mse": score.mse}
    record["validation_seconds"] = time.perf_counter() - began
    return best, record
