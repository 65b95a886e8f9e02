"""One outer step: a batch of targets, a gradient, a step of the optimiser.

KIP (2011.00050, alg. 1; 2107.13034, section 2): the support is updated by the gradient of the regression's loss on a
batch of targets, drawn anew, class-balanced and without replacement, for every step.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax
import numpy as np
import optax

from distill.config import Config, OptimConfig
from distill.draw import Stream, balanced, generator
from distill.faults import NumericalFault
from distill.gradient import Gradient, loss_and_gradient
from distill.losses import half_mse
from distill.problem import Problem
from distill.support import Support
from distill.targets import Chunk


class Learner(NamedTuple):
    """What a step changes.

    support: the learned set
    opt_state: optax's
    """

    support: Support
    opt_state: optax.OptState


class Taken(NamedTuple):
    """What a step did.

    learner: after it
    loss: mean over targets and classes, before it
    gradient_norm: Euclidean, of the gradient by the images
    entries: kernel entries evaluated
    condition: number of the support's kernel with its ridge, before it
    ridge: that was used, relative to the mean diagonal
    """

    learner: Learner
    loss: float
    gradient_norm: float
    entries: int
    condition: float
    ridge: float


# Sees every chunk of targets before it is worked on.
Watch = Callable[[Iterable[Chunk]], Iterable[Chunk]]


def optimiser(optim: OptimConfig) -> optax.GradientTransformation:
    """The optimiser that `optim` names."""
    match optim.name:
        case "adam":
            return optax.adam(optim.learning_rate)


def begin(problem: Problem) -> Learner:
    """The learner at step 0."""
    optimise = optimiser(problem.config.optim)
    return Learner(problem.start, optimise.init(_learned(problem.start, problem.config)))


def advance(problem: Problem, learner: Learner, step: int, watch: Watch = iter, ridge_factor: float = 1.0) -> Taken:
    """Takes outer step number `step`, counted from 0. Equal arguments give equal results.

    ridge_factor: the ridge is that of the configuration times this; see `raised`.

    Raises:
      NumericalFault: the kernel of the support cannot be inverted, or the loss or its gradient is not finite.
    """
    config, support = problem.config, learner.support
    labels, num_classes = problem.train.split.labels, problem.train.labels.shape[1]
    batch = balanced(labels, num_classes, config.optim.target_batch, generator(config.seed, Stream.TARGETS, step))
    size = len(support.images)
    chunks = watch(problem.train.chunks(size, batch))
    ridge = raised(config, ridge_factor)
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # the check below tells it better than numpy
            gradient = loss_and_gradient(problem.engine, support, chunks, ridge, half_mse)
        _check_finite(gradient)
    except NumericalFault as fault:
        raise fault.at(step + 1) from fault
    parameters = _learned(support, config)
    updates, opt_state = optimiser(config.optim).update(_learned(gradient, config), learner.opt_state, parameters)
    ahead = Learner(_with(support, jax.device_get(optax.apply_updates(parameters, updates))), opt_state)
    norm = float(np.linalg.norm(gradient.images.astype(np.float64)))  # squares that float32 cannot hold
    entries = size * (len(batch) + size)
    return Taken(ahead, gradient.loss, norm, entries, gradient.regression.condition, ridge)


def raised(config: Config, factor: float) -> float:
    """The ridge of a configuration times a factor; raised, a ridge of 0 counts as the rounding of the kernel."""
    if factor > 1 and config.krr.ridge == 0:
        return factor * float(np.finfo(config.kernel.dtype).eps)
    return factor * config.krr.ridge


def _learned(of: Support | Gradient, config: Config) -> tuple[np.ndarray, ...]:
    """What is optimised, or its gradient: the images, and the labels where they are learned."""
    return (of.images, of.labels) if config.support.learn_labels else (of.images,)


def _with(support: Support, parameters: tuple[np.ndarray, ...]) -> Support:
    return Support(*parameters, *support[len(parameters) :])


def _check_finite(gradient: Gradient) -> None:
    if np.isfinite(gradient.loss) and np.isfinite(gradient.images).all() and np.isfinite(gradient.labels).all():
        return
    diagnosis = gradient.regression.diagnosis()
    bad = ~np.isfinite(gradient.images).all(axis=(1, 2, 3))
    if bad.any():
        diagnosis = diagnosis._replace(worst_image=int(np.argmax(bad)))
    raise NumericalFault(
        f"the loss is {gradient.loss} or its gradient is not finite; the last checkpoint is good",
        "use a smaller --optim.learning-rate, a larger --krr.ridge, or --kernel.dtype float64, in a new --dir",
        diagnosis,
    )
