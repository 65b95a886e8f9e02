"""KIP: the support follows the gradient of the regression's loss on batches of targets (2011.00050; 2107.13034).

Every step draws its batch anew, class-balanced and without replacement; every draw is a function of the seed and the
step.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax

from kerneldistill.algorithms.algorithm import StepResult
from kerneldistill.algorithms.gradient import Gradient, loss_and_gradient
from kerneldistill.algorithms.losses import LossParameters, loss_of
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.algorithms.optimizer import Parameters, optimiser
from kerneldistill.algorithms.pixel_transform import PixelTransform
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.ridge import ridge_of_step
from kerneldistill.algorithms.support import Support, regressed, unflipped
from kerneldistill.algorithms.target_batch import GradientNoise, batch_of_step, first_noise, measured
from kerneldistill.config.schema import Config
from kerneldistill.runtime.distributed import collectives


class KipState(NamedTuple):
    """What a step changes.

    support: the learned set
    opt_state: optax's
    loss: parameters of the loss
    noise: of the gradient, where the batch grows by it
    transform: what the set is made of, where a matrix is learned
    """

    support: Support
    opt_state: optax.OptState
    loss: LossParameters
    noise: GradientNoise | None = None
    transform: PixelTransform | None = None


class Kip:
    """KIP, an `Algorithm`."""

    shorter_steps = "use a smaller --optim.learning-rate"

    def init(self, problem: Problem) -> KipState:
        """The start, and an optimiser that has done nothing."""
        config, loss = problem.config, loss_of(problem.config.loss).init()
        learns_matrix = config.optim.transform_learning_rate is not None
        transform = PixelTransform.identity(problem.start.images) if learns_matrix else None
        opt_state = optimiser(config).init(_learned(config, problem.start, loss, transform))
        return KipState(problem.start, opt_state, loss, first_noise(config.optim), transform)

    def step(self, problem: Problem, state: KipState, i: int, ridge_factor: float = 1.0) -> StepResult[KipState]:
        """Follow the gradient of one batch.

        Its metrics are the number of targets, the Euclidean norm of the gradient by the images, the condition number of
        the support's kernel with its ridge, before the step, and that ridge, relative to the mean diagonal; and, where
        the batch grows by it, the noise scale in targets as far as it is known.

        Raises:
          NumericalError: the kernel of the support cannot be inverted, or the loss or its gradient is not finite.
        """
        config, ridge = problem.config, ridge_of_step(problem.config, i, ridge_factor)
        targets, source = problem.targets(i), regressed(state.support, config.support.flip)
        batch = problem.batch(i, batch_of_step(config.optim, targets.num_classes, i, state.noise))
        parts = [batch] if state.noise is None else [batch[::2], batch[1::2]]
        chunks = [targets.chunks(len(source.images), part, problem.change(i)) for part in parts]
        loss = loss_of(config.loss).at(state.loss)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # the check below tells it better than numpy
                found = [loss_and_gradient(targets.engine, source, part, ridge, loss) for part in chunks]
            gradient = found[0] if len(found) == 1 else _mean(found, [len(part) / len(batch) for part in parts])
            _check_finite(gradient)
        except NumericalError as error:
            raise error.of_images(len(state.support.images)).at(i + 1) from error
        by_support = Support(gradient.images, gradient.labels)
        by_support = unflipped(*by_support) if config.support.flip else by_support
        metrics = {
            "targets": len(batch),
            "gradient_norm": float(np.linalg.norm(by_support.images.astype(np.float64))),  # float32 squares overflow
            "condition": gradient.regression.condition,
            "ridge": ridge,
        }
        by_transform = None if state.transform is None else state.transform.pulled_back(by_support.images)
        moved = _moved(config, state, _learned(config, by_support, gradient.loss_parameters, by_transform))
        if state.noise is not None:
            first, second = (part.images for part in found)
            noise = measured(state.noise, config.optim, targets.num_classes, (first, second), len(batch))
            moved = moved._replace(noise=noise)
            metrics |= {"noise_scale": noise.scale} if np.isfinite(noise.scale) else {}
        entries = sum(self.step_entries(len(source.images), len(part)) for part in parts)
        return StepResult(moved, gradient.loss, entries, metrics)

    def support(self, state: KipState) -> Support:
        """The learned set."""
        return state.support

    def step_entries(self, rows: int, targets: int) -> int:
        """Every row meets every target and every row."""
        return rows * (targets + rows)

    def second_order(self, config: Config, targets: np.ndarray) -> None:
        """Nothing: the gradient of the loss is enough."""


def _learned(
    config: Config, support: Support, loss: Mapping[str, np.ndarray | float], transform: PixelTransform | None
) -> Parameters:
    """Select what is learned, or its gradients."""
    labels = support.labels if config.support.learn_labels else None
    parameters = {name: np.array(loss[name]) for name in loss} if loss_of(config.loss).learns else None
    images, matrix = (support.images, None) if transform is None else transform
    return Parameters(images, labels, parameters, matrix)


def _moved(config: Config, state: KipState, gradient: Parameters) -> KipState:
    """Apply one step of the optimiser."""
    before = _learned(config, state.support, state.loss, state.transform)
    updates, opt_state = optimiser(config).update(gradient, state.opt_state, before)
    # Other processors may round otherwise: all go on with the bits of one.
    images, labels, loss, matrix = collectives.broadcast(jax.device_get(optax.apply_updates(before, updates)))
    transform = None if matrix is None else PixelTransform(images, matrix)
    images = images if transform is None else collectives.broadcast(transform.applied())
    support = Support(images, state.support.labels if labels is None else labels)
    loss = state.loss if loss is None else loss
    return state._replace(support=support, opt_state=opt_state, loss=loss, transform=transform)


def _mean(gradients: Sequence[Gradient], weights: Sequence[float]) -> Gradient:
    """The gradient of a batch from those of its parts."""
    loss, images, labels, by_parameters = jax.tree.map(
        lambda *parts: sum(weight * part for weight, part in zip(weights, parts, strict=True)),
        *(gradient[:4] for gradient in gradients),
    )
    return Gradient(loss, images, labels, by_parameters, gradients[0].regression)


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
