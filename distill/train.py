"""The outer loop: batches of targets, a gradient, a step of the optimiser. All of its state is in `TrainState`.

KIP (2011.00050, alg. 1; 2107.13034, section 2): the support is updated by the gradient of the regression's loss on a
batch of targets, drawn anew, class-balanced and without replacement, for every step.
"""

import time
from typing import NamedTuple

import jax
import numpy as np
import optax

from distill.checkpoint import Checkpoints
from distill.config import Config, OptimConfig
from distill.console import StepProgress
from distill.draw import Stream, balanced, generator
from distill.errors import UserError
from distill.evaluate import Score, evaluate
from distill.gradient import Gradient, loss_and_gradient
from distill.krr import half_mse
from distill.metrics import MetricsLog, Record
from distill.support import Support
from distill.targets import Targets
from kernels.engine import Engine


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
    support: after them
    opt_state: optax's
    best: by validation so far
    """

    step: int
    support: Support
    opt_state: optax.OptState
    best: Best


class Job(NamedTuple):
    """What the loop works on.

    config: of the run
    engine: the kernel
    start: the support at step 0
    train: targets to learn from
    validation: targets to choose by
    """

    config: Config
    engine: Engine
    start: Support
    train: Targets
    validation: Targets


def optimiser(optim: OptimConfig) -> optax.GradientTransformation:
    """The optimiser that `optim` names."""
    match optim.name:
        case "adam":
            return optax.adam(optim.learning_rate)


def train(job: Job, checkpoints: Checkpoints, log: MetricsLog) -> TrainState:
    """Runs, or goes on, to the last step of the configuration; saves as it goes and when interrupted.

    Raises:
      UserError: the kernel cannot be inverted, the loss is not finite, or a checkpoint cannot be used or written.
      KeyboardInterrupt: after the last finished step is saved.
    """
    config, optimise = job.config, optimiser(job.config.optim)
    state = _first_or_restored(job, optimise, checkpoints, log)
    with StepProgress(config.optim.steps, done=state.step) as progress:
        try:
            while state.step < config.optim.steps:
                ahead, record = _step(job, optimise, state)
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


def _first_or_restored(
    job: Job, optimise: optax.GradientTransformation, checkpoints: Checkpoints, log: MetricsLog
) -> TrainState:
    unscored = Best(job.start, 0, Score(-1.0, np.inf))
    first = TrainState(0, job.start, optimise.init(_learned(job.start, job.config)), unscored)
    restored = checkpoints.restore_latest(first)
    if restored is not None:
        log.truncate_after(restored[0])
        return restored[1]
    log.truncate_after(-1)
    score = _validate(job, first.support)
    log.append({"step": 0, **_validation_record(score)})
    return first._replace(best=_better(unscored, first.support, 0, score))


def _step(job: Job, optimise: optax.GradientTransformation, state: TrainState) -> tuple[TrainState, Record]:
    config, began = job.config, time.perf_counter()
    batch = balanced(
        job.train.split.labels,
        job.train.labels.shape[1],
        config.optim.target_batch,
        generator(config.seed, Stream.TARGETS, state.step),
    )
    size = len(state.support.images)
    chunks = job.train.chunks(size, batch)
    with np.errstate(over="ignore", invalid="ignore"):  # the check below tells it better than numpy
        gradient = loss_and_gradient(job.engine, state.support, chunks, config.krr.ridge, half_mse)
    _check_finite(gradient, state.step)
    parameters = _learned(state.support, config)
    updates, opt_state = optimise.update(_learned(gradient, config), state.opt_state, parameters)
    support = _with(state.support, jax.device_get(optax.apply_updates(parameters, updates)))
    step, best = state.step + 1, state.best
    norm = float(np.linalg.norm(gradient.images.astype(np.float64)))  # squares that float32 cannot hold
    record = {"step": step, "loss": gradient.loss, "gradient_norm": norm}
    seconds = time.perf_counter() - began
    record |= {"seconds": seconds, "entries_per_second": size * (len(batch) + size) / seconds}
    if _due(step, config.evaluate.every, config):
        score = _validate(job, support)
        best = _better(best, support, step, score)
        record |= _validation_record(score)
    return TrainState(step, support, opt_state, best), record


def _learned(of: Support | Gradient, config: Config) -> tuple[np.ndarray, ...]:
    """What is optimised, or its gradient: the images, and the labels where they are learned."""
    return (of.images, of.labels) if config.support.learn_labels else (of.images,)


def _with(support: Support, parameters: tuple[np.ndarray, ...]) -> Support:
    return Support(*parameters, *support[len(parameters) :])


def _check_finite(gradient: Gradient, step: int) -> None:
    if not (np.isfinite(gradient.loss) and np.isfinite(gradient.images).all() and np.isfinite(gradient.labels).all()):
        raise UserError(
            f"step {step + 1}: the loss is {gradient.loss} or its gradient is not finite; the last checkpoint is good: "
            "use a smaller --optim.learning-rate, a larger --krr.ridge, or --kernel.dtype float64, in a new --dir"
        )


def _due(step: int, every: int, config: Config) -> bool:
    return step % every == 0 or step == config.optim.steps


def _validate(job: Job, support: Support) -> Score | None:
    return evaluate(job.engine, support, job.validation, job.config.krr.ridge) if len(job.validation) else None


def _validation_record(score: Score | None) -> Record:
    return {} if score is None else {"validation_accuracy": score.accuracy, "validation_mse": score.mse}


def _better(best: Best, support: Support, step: int, score: Score | None) -> Best:
    """Without a validation split the newest support is the best."""
    if score is None:
        return Best(support, step, best.score)
    beats = (score.accuracy, -score.mse) > (best.score.accuracy, -best.score.mse)
    return Best(support, step, score) if beats else best
