"""The outer loop: step after step, measured, saved and resumed. All of its state is in `TrainState`."""

import time
from typing import NamedTuple

import numpy as np

from distill.checkpoint import Checkpoints
from distill.config import Config
from distill.console import StepProgress
from distill.evaluate import Score, evaluate
from distill.metrics import MetricsLog, Record
from distill.problem import Problem
from distill.step import Learner, advance, begin
from distill.support import Support


class Best(NamedTuple):
    """The support that predicted the validation split best; of equals the one of less mse, then the earlier.

    support: as it was
    step: at which
    score: on validation
    """

    support: Support
    step: int
    score: Score


class TrainState(NamedTuple):
    """Everything a run needs to go on. Random draws are functions of the seed and the step, and need no state.

    step: outer steps done
    learner: after them
    best: by validation so far
    """

    step: int
    learner: Learner
    best: Best


def train(problem: Problem, checkpoints: Checkpoints, log: MetricsLog) -> TrainState:
    """Runs, or goes on, to the last step of the configuration; saves as it goes and when interrupted.

    Raises:
      UserError: the kernel cannot be inverted, the loss is not finite, or a checkpoint cannot be used or written.
      KeyboardInterrupt: after the last finished step is saved.
    """
    config = problem.config
    state = _first_or_restored(problem, checkpoints, log)
    with StepProgress(config.optim.steps, done=state.step) as progress:
        try:
            while state.step < config.optim.steps:
                ahead, record = _step(problem, state)
                log.append(record)
                state = ahead  # not before its record is written: what is interrupted here is done again
                progress.update(state.step, record["loss"], record.get("validation_accuracy"))
                if _due(state.step, config.checkpoint.every, config):
                    checkpoints.save(state.step, state)
        except KeyboardInterrupt:
            if state.step not in checkpoints.steps():
                checkpoints.save(state.step, state)
            raise
    return state


def _first_or_restored(problem: Problem, checkpoints: Checkpoints, log: MetricsLog) -> TrainState:
    unscored = Best(problem.start, 0, Score(-1.0, np.inf))
    first = TrainState(0, begin(problem), unscored)
    restored = checkpoints.restore_latest(first)
    if restored is not None:
        log.truncate_after(restored[0])
        return restored[1]
    log.truncate_after(-1)
    score = _validate(problem, problem.start)
    log.append({"step": 0, **_validation_record(score)})
    return first._replace(best=_better(unscored, problem.start, 0, score))


def _step(problem: Problem, state: TrainState) -> tuple[TrainState, Record]:
    config, began = problem.config, time.perf_counter()
    taken = advance(problem, state.learner, state.step)
    step, best, support = state.step + 1, state.best, taken.learner.support
    seconds = time.perf_counter() - began
    record = {"step": step, "loss": taken.loss, "gradient_norm": taken.gradient_norm}
    record |= {"seconds": seconds, "entries_per_second": taken.entries / seconds}
    if _due(step, config.evaluate.every, config):
        score = _validate(problem, support)
        best = _better(best, support, step, score)
        record |= _validation_record(score)
    return TrainState(step, taken.learner, best), record


def _due(step: int, every: int, config: Config) -> bool:
    return step % every == 0 or step == config.optim.steps


def _validate(problem: Problem, support: Support) -> Score | None:
    return (
        evaluate(problem.engine, support, problem.validation, problem.config.krr.ridge)
        if len(problem.validation)
        else None
    )


def _validation_record(score: Score | None) -> Record:
    return {} if score is None else {"validation_accuracy": score.accuracy, "validation_mse": score.mse}


def _better(best: Best, support: Support, step: int, score: Score | None) -> Best:
    """Without a validation split the newest support is the best."""
    if score is None:
        return Best(support, step, best.score)
    beats = (score.accuracy, -score.mse) > (best.score.accuracy, -best.score.mse)
    return Best(support, step, score) if beats else best
