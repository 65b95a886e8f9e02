"""KIP: the support follows the gradient of the regression's loss on batches of targets (2011.00050; 2107.13034).

Every step draws its batch anew, class-balanced and without replacement; every draw is a function of the seed and the
step.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
import optax

from kerneldistill.algorithms.algorithm import StepResult
from kerneldistill.algorithms.gradient import Gradient, loss_and_gradient
from kerneldistill.algorithms.losses import LossParameters, loss_of
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.algorithms.optimizer import Parameters, optimiser
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.ridge import ridge_of_step
from kerneldistill.algorithms.support import Support, regressed, unflipped
from kerneldistill.config.schema import Config
from kerneldistill.runtime.distributed import collectives


class KipState(NamedTuple):
    """What a step changes.

    support: the learned set
    opt_state: optax's
    loss: parameters of the loss
    """

    support: Support
    opt_state: optax.OptState
    loss: LossParameters


class Kip:
    """KIP, an `Algorithm`."""

    def init(self, problem: Problem) -> KipState:
        """The start, and an optimiser that has done nothing."""
        config, loss = problem.config, loss_of(problem.config.loss).init()
        return KipState(problem.start, optimiser(config).init(_learned(config, problem.start, loss)), loss)

    def step(self, problem: Problem, state: KipState, i: int, ridge_factor: float = 1.0) -> StepResult[KipState]:
        """Follow the gradient of one batch.

        Its metrics are the Euclidean norm of the gradient by the images, the condition number of the support's kernel
        with its ridge, before the step, and that ridge, relative to the mean diagonal.

        Raises:
          NumericalError: the kernel of the support cannot be inverted, or the loss or its gradient is not finite.
        """
        config, ridge = problem.config, ridge_of_step(problem.config, i, ridge_factor)
        targets, source = problem.targets(i), regressed(state.support, config.support.flip)
        rng = generator(config.seed, Stream.TARGETS, i)
        batch = balanced(targets.split.labels, targets.num_classes, config.optim.target_batch, rng)
        chunks = targets.chunks(len(source.images), batch, problem.change(i))
        loss = loss_of(config.loss).at(state.loss)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # the check below tells it better than numpy
                gradient = loss_and_gradient(targets.engine, source, chunks, ridge, loss)
            _check_finite(gradient)
        except NumericalError as error:
            raise error.of_images(len(state.support.images)).at(i + 1) from error
        by_support = Support(gradient.images, gradient.labels)
        by_support = unflipped(*by_support) if config.support.flip else by_support
        metrics = {
            "gradient_norm": float(np.linalg.norm(by_support.images.astype(np.float64))),  # float32 squares overflow
            "condition": gradient.regression.condition,
            "ridge": ridge,
        }
        moved = _moved(config, state, _learned(config, by_support, gradient.loss_parameters))
        return StepResult(moved, gradient.loss, self.step_entries(len(source.images), len(batch)), metrics)

    def support(self, state: KipState) -> Support:
        """The learned set."""
        return state.support

    def step_entries(self, rows: int, targets: int) -> int:
        """Every row meets every target and every row."""
        return rows * (targets + rows)


def _learned(config: Config, support: Support, loss: Mapping[str, np.ndarray | float]) -> Parameters:
    """Select what is learned, or its gradients."""
    labels = support.labels if config.support.learn_labels else None
    learns = loss_of(config.loss).learns
    return Parameters(support.images, labels, {name: np.array(loss[name]) for name in loss} if learns else None)


def _moved(config: Config, state: KipState, gradient: Parameters) -> KipState:
    """Apply one step of the optimiser."""
    before = _learned(config, state.support, state.loss)
    updates, opt_state = optimiser(config).update(gradient, state.opt_state, before)
    # Other processors may round otherwise: all go on with the bits of one.
    images, labels, loss = collectives.broadcast(jax.device_get(optax.apply_updates(before, updates)))
    support = Support(images, state.support.labels if labels is None else labels)
    return KipState(support, opt_state, state.loss if loss is None else loss)


def _check_finite(gradient: Gradient) -> None:
    numbers = (gradient.loss, *gradient.loss_parameters.values(), gradient.images, gradient.labels)
    if all(np.isfinite(number).all() for number in numbers):
        return
    diagnosis = gradient.regression.diagnosis()
    bad = ~np.isfinite(gradient.images).all(axis=(1, 2, 3))
    if bad.any():
        diagnosis = diagnosis._replace(worst_image=int(np.argmax(bad)))
    raise NumericalError(
        f"the loss is {gradient.loss} or its gradient is not finite; the last checkpoint is good",
        "use a smaller --optim.learning-rate, a larger --krr.ridge, or --kernel.dtype float64, in a new --dir",
        diagnosis,
    )
