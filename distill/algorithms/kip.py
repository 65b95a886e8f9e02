"""One outer step: a batch of targets, a gradient, a step of the optimiser.

KIP (2011.00050, alg. 1; 2107.13034, section 2): the support is updated by the gradient of the regression's loss on a
batch of targets, drawn anew, class-balanced and without replacement, for every step. Every draw is a function of the
seed and the step.
"""

from typing import NamedTuple

import jax
import numpy as np
import optax

from kerneldistill.algorithms.gradient import Gradient, loss_and_gradient
from kerneldistill.algorithms.losses import loss_of
from kerneldistill.algorithms.numerical_error import NumericalFault
from kerneldistill.algorithms.optimizer import Parameters, optimiser, tempered
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.support import Support, regressed, unflipped
from kerneldistill.config.schema import Config
from kerneldistill.runtime.signals import Watch


class Learner(NamedTuple):
    """What a step changes.

    support: the learned set
    opt_state: optax's
    log_temperature: float64 [], of the loss, where that has a temperature
    """

    support: Support
    opt_state: optax.OptState
    log_temperature: np.ndarray


class Taken(NamedTuple):
    """What a step did.

    learner: after it
    loss: mean over targets (of mse also over classes), before it
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


def begin(problem: Problem) -> Learner:
    """The learner at step 0."""
    config = problem.config
    log_temperature = np.array(np.log(config.loss.temperature))
    learned = _learned(config, *problem.start, log_temperature)
    return Learner(problem.start, optimiser(config).init(learned), log_temperature)


def advance(problem: Problem, learner: Learner, step: int, watch: Watch = iter, ridge_factor: float = 1.0) -> Taken:
    """Takes outer step number `step`, counted from 0. Equal arguments give equal results.

    watch: sees every chunk of work before it is begun
    ridge_factor: the ridge is that of the configuration times this; see `raised`.

    Raises:
      NumericalFault: the kernel of the support cannot be inverted, or the loss or its gradient is not finite.
    """
    config, support = problem.config, learner.support
    targets, source = problem.targets(step), regressed(support, config.support.flip)
    num_classes, size = targets.labels.shape[1], len(source.images)
    rng = generator(config.seed, Stream.TARGETS, step)
    batch = balanced(targets.split.labels, num_classes, config.optim.target_batch, rng)
    chunks = targets.chunks(size, batch, problem.change(step))
    ridge, loss = ridge_at(config, step, ridge_factor), loss_of(config.loss, float(learner.log_temperature))
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # the check below tells it better than numpy
            gradient = loss_and_gradient(targets.engine, source, chunks, ridge, loss, watch)
        _check_finite(gradient)
    except NumericalFault as fault:
        raise _of_images(fault, len(support.images)).at(step + 1) from fault
    slope = unflipped(gradient.images, gradient.labels) if config.support.flip else Support(*gradient[1:3])
    ahead = _moved(config, learner, _learned(config, *slope, np.array(gradient.log_temperature)))
    norm = float(np.linalg.norm(slope.images.astype(np.float64)))  # squares that float32 cannot hold
    return Taken(ahead, gradient.loss, norm, size * (len(batch) + size), gradient.regression.condition, ridge)


def raised(config: Config, factor: float) -> float:
    """The ridge of a configuration times a factor; raised, a ridge of 0 counts as the rounding of the kernel."""
    if factor > 1 and config.krr.ridge == 0:
        return factor * float(np.finfo(config.kernel.dtype).eps)
    return factor * config.krr.ridge


def ridge_at(config: Config, step: int, factor: float) -> float:
    """The ridge of step number `step`, counted from 0: from the first to the last one geometrically, times a factor."""
    last, krr = raised(config, factor), config.krr
    if krr.first_ridge is None:
        return last
    over = max(1, config.optim.steps - 1 if krr.ridge_steps is None else krr.ridge_steps)
    return last * (krr.first_ridge / krr.ridge) ** (1 - min(1.0, step / over))


def _learned(config: Config, images: np.ndarray, labels: np.ndarray, log_temperature: np.ndarray) -> Parameters:
    """What is learned of these, or of their gradients."""
    return Parameters(
        images, labels if config.support.learn_labels else None, log_temperature if tempered(config) else None
    )


def _moved(config: Config, learner: Learner, gradient: Parameters) -> Learner:
    """The learner after a step of its optimiser."""
    before = _learned(config, *learner.support, learner.log_temperature)
    updates, opt_state = optimiser(config).update(gradient, learner.opt_state, before)
    images, labels, log_temperature = jax.device_get(optax.apply_updates(before, updates))
    support = Support(images, learner.support.labels if labels is None else labels)
    return Learner(support, opt_state, learner.log_temperature if log_temperature is None else log_temperature)


def _check_finite(gradient: Gradient) -> None:
    numbers = (gradient.loss, gradient.log_temperature, gradient.images, gradient.labels)
    if all(np.isfinite(number).all() for number in numbers):
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


def _of_images(fault: NumericalFault, size: int) -> NumericalFault:
    """The same fault, its worst image one of the `size` that are learned and not a mirror image of it."""
    diagnosis = fault.diagnosis._replace(worst_image=fault.diagnosis.worst_image % size)
    return NumericalFault(fault.what, fault.remedy, diagnosis)
