"""KIP by Gauss-Newton steps on batches that are kept: the labels are eliminated, the images move jointly.

The loss is 1/2 |k_ts alpha - y_t|^2. Learned labels let alpha be anything, so each step takes the best one in closed
form (variable projection; Golub & Pereyra 1973), y_s = (k_ss + ridge) alpha, and k_ss needs no gradient. Fixed labels
give alpha = (k_ss + ridge)^-1 y_s, which moves with the images, and steps of bounded length. The step solves
    min over dx of  |r + P (J dx) alpha|^2 + damping d |dx|^2
over all targets that are kept, r their residuals at the images as they are now, J dx the change of the kernel
(`linearised`), d the mean squared length of a prediction's gradient, so that the damping has no unit. P takes off what
alpha mends by itself (Kaufman's projection). One batch does not determine the images, 30,720 numbers at 32x32; a dozen
kept ones do: at 16x16, 10 images of CIFAR-10, 16 kept batches of 240 targets came to a test mse of .0361 after 96,000
entries, one batch of 480 alone to .0377 after 86,000.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, cast
from weakref import WeakKeyDictionary

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from kerneldistill.algorithms.algorithm import SecondOrder, StepResult
from kerneldistill.algorithms.gauss_newton_system import FixedLabels, LearnedLabels, System, fitted_alpha
from kerneldistill.algorithms.gradient import kernel_of_support
from kerneldistill.algorithms.krr import Regression, factored
from kerneldistill.algorithms.linearised import Linearised, linearised, support_linearised
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.numerical_error import Diagnosis, NumericalError
from kerneldistill.algorithms.optimizer import schedule
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.ridge import ridge_of_step
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.target_batch import batch_of_step, batch_sizes
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.schema import Config
from kerneldistill.kernels.engine import JacobianEngine
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll
from kerneldistill.runtime.once import once

# The system is solved to this part of its right-hand side; a smaller one changed no figure of a run at 16 x 16.
_TOLERANCE = 1e-2


class GaussNewtonState(NamedTuple):
    """What a step changes. The kept kernels are functions of it: a run that goes on computes them again.

    support: the learned set
    images: [m, s, h, w, c] the images before this step and the m - 1 before it, the newest first
    """

    support: Support
    images: np.ndarray


class GaussNewton:
    """Gauss-Newton, an `Algorithm`."""

    shorter_steps = "use a larger --optim.gauss-newton.damping"

    def __init__(self) -> None:
        # Kept kernels by step, of the targets of each problem: what spares their computation, and nothing else.
        self._kept: WeakKeyDictionary[Targets, dict[int, Linearised]] = WeakKeyDictionary()

    def init(self, problem: Problem) -> GaussNewtonState:
        """The start, and no batch."""
        images = problem.start.images
        return GaussNewtonState(problem.start, np.repeat(images[None], _most_kept(problem), axis=0))

    def step(
        self, problem: Problem, state: GaussNewtonState, i: int, ridge_factor: float = 1.0
    ) -> StepResult[GaussNewtonState]:
        """Take one Gauss-Newton step over the batches that are kept, of which one is new.

        The loss is that of the new batch before the step. The metrics are the number of its targets, that of kept
        ones, the Euclidean norms of the gradient over them (of the mean loss by the images) and of the step, the
        damping, the condition number of the support's kernel with its ridge, before the step, and that ridge.

        Raises:
          NumericalError: the kernel of the support cannot be inverted, or the step is not finite.
        """
        config, ridge = problem.config, ridge_of_step(problem.config, i, ridge_factor)
        before = state.support
        try:
            regression = _regression(problem, before.images, ridge)
            alpha = collectives.broadcast(regression.solve(before.labels))
            batches = self._batches(problem, state, i)
            loss = _loss(batches[0], alpha)
            system = _system(problem, batches, before.images, regression, alpha)
            damping = _damping(config, i)
            gradient, dx = _solved(system, damping * system.scale(), config.optim.gauss_newton.iterations)
            images = _moved(config, before.images, dx, i)
            after = collectives.broadcast(_with_labels(problem, before, images, batches, ridge))
        except NumericalError as error:
            raise error.of_images(len(before.images)).at(i + 1) from error
        # Sizes say how many are drawn, unless there are no more.
        sizes = [min(size, len(problem.train)) for _, size in _kept_steps(problem, i)]
        metrics = {
            "targets": sizes[0],
            "kept_targets": sum(sizes),
            "gradient_norm": float(np.linalg.norm(gradient)) / (sum(sizes) * before.labels.shape[1]),
            "step_norm": float(np.linalg.norm(dx)),
            "damping": damping,
            "condition": regression.condition,
            "ridge": ridge,
        }
        rows = len(before.images) * (2 if config.support.flip else 1)
        kept = np.concatenate([after.images[None], state.images[:-1]])
        return StepResult(GaussNewtonState(after, kept), loss, self.step_entries(rows, sizes[0]), metrics)

    def support(self, state: GaussNewtonState) -> Support:
        """The learned set."""
        return state.support

    def step_entries(self, rows: int, targets: int) -> int:
        """Every row meets every target and every row."""
        return rows * (targets + rows)

    def second_order(self, config: Config, targets: np.ndarray) -> SecondOrder:
        """A product with the system's matrix is two passes; more take the gradient, its scale and images twice."""
        found = config.optim.gauss_newton
        kept = np.minimum(np.cumsum(targets), np.maximum(found.memory, targets))
        return SecondOrder(kept, 2 * found.iterations + 4, not config.support.learn_labels)

    def _batches(self, problem: Problem, state: GaussNewtonState, i: int) -> list[Linearised]:
        """The kept batches of step i, the newest first; those that are not at hand are computed."""
        known = self._kept.get(problem.train, {})
        found: dict[int, Linearised] = {}
        engine, config = cast(JacobianEngine, problem.train.engine), problem.config
        for (j, size), images in zip(_kept_steps(problem, i), state.images, strict=False):
            own = known.get(j)
            if own is None or not np.array_equal(own.images, images):
                rows = problem.batch(j, size)
                with nullcontext() if j == i else once("kernels of earlier steps"):  # of a run that goes on
                    own = linearised(engine, images, problem.train, rows, problem.change(j), config.support.flip)
            found[j] = own
        self._kept[problem.train] = found
        return list(found.values())


def _size(problem: Problem, step: int) -> int:
    return batch_of_step(problem.config.optim, problem.train.num_classes, step)


def _kept_steps(problem: Problem, i: int) -> Iterator[tuple[int, int]]:
    """Step i and those before it whose targets are kept, and how many they have: as many as the memory holds."""
    left = problem.config.optim.gauss_newton.memory
    for j in range(i, -1, -1):
        size = _size(problem, j)
        left -= size
        if left < 0 and j < i:
            return
        yield j, size


def _most_kept(problem: Problem) -> int:
    """How many batches are kept at most."""
    config = problem.config.optim
    least = min(batch_sizes(config, problem.train.num_classes))
    return max(1, min(config.gauss_newton.memory // least, max(1, config.steps)))


def _damping(config: Config, i: int) -> float:
    """The damping of step i: geometrically from the first to the last."""
    optim, found = config.optim, config.optim.gauss_newton
    return found.damping * (found.last_damping / found.damping) ** (i / max(1, optim.steps - 1))


def _regression(problem: Problem, images: np.ndarray, ridge: float) -> Regression:
    """The regression from images [s, h, w, c].

    With `support.flip` an image and its mirror image have the same label and so the same alpha: what is solved are s
    equations, whose kernel is that of an image with both.
    """
    config, engine, size = problem.config, problem.train.engine, len(images)
    source = regressed(Support(images, np.zeros((size, 0))), config.support.flip)
    k_ss = kernel_of_support(engine, engine.support_features(source.images))
    if config.support.flip:
        own, k_ss = k_ss, k_ss[:size, :size] + k_ss[:size, size:]
        ridge *= float(np.trace(own)) / 2 / float(np.trace(k_ss))
    return factored(Regression(k_ss, ridge))


def _system(
    problem: Problem, batches: Sequence[Linearised], images: np.ndarray, regression: Regression, alpha: np.ndarray
) -> System:
    """The system of a step at `images`."""
    if problem.config.support.learn_labels:
        return LearnedLabels(batches, images)
    engine = cast(JacobianEngine, problem.train.engine)
    itself = support_linearised(engine, images, problem.config.support.flip)
    return FixedLabels(batches, images, regression, alpha, itself)


def _loss(batch: Linearised, alpha: np.ndarray) -> float:
    """Mean loss of a batch whose kernel is at hand."""
    own = half_mse(batch.k_ts @ alpha, batch.labels)
    total, terms = collectives.all_reduce_sum((own.total, own.terms))
    return total / terms


def _solved(system: System, damping: float, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """The gradient [s, d], and the step [s, d] that is taken of one that solves the system, by conjugate gradients.

    Raises:
      NumericalError: they are not finite.
    """
    gradient = collectives.broadcast(system.gradient())
    shape = gradient.shape

    def times(vector: np.ndarray) -> np.ndarray:
        poll("gauss_newton", *shape)
        dx = vector.reshape(shape)
        return (system.times(dx) + damping * dx).ravel()

    operator: Any = LinearOperator  # the class makes another one of itself, which its type does not say
    matrix = operator((gradient.size, gradient.size), matvec=times, dtype=np.float64)
    found, _ = cg(matrix, -gradient.ravel(), rtol=_TOLERANCE, maxiter=iterations)
    if not (np.isfinite(gradient).all() and np.isfinite(found).all()):
        raise NumericalError(
            "the gradient or the Gauss-Newton step is not finite; the last checkpoint is good",
            "use a larger --optim.gauss-newton.damping or --krr.ridge, or --kernel.dtype float64, in a new --dir",
            Diagnosis(np.nan, np.nan, int(np.argmin(np.isfinite(gradient).sum(1)))),
        )
    return gradient, system.bounded(found.reshape(shape))


def _moved(config: Config, images: np.ndarray, dx: np.ndarray, i: int) -> np.ndarray:
    """The images [s, h, w, c] after step i along dx [s, d], as long as the schedule says."""
    length: Any = schedule(config.optim.schedule, config.optim.steps)(i)
    return images + (float(length) * dx).reshape(images.shape).astype(images.dtype)


def _with_labels(
    problem: Problem, before: Support, images: np.ndarray, batches: Sequence[Linearised], ridge: float
) -> Support:
    """The support with new images: its labels are as before, or where they are learned those that fit best."""
    if not problem.config.support.learn_labels:
        return Support(images, before.labels)
    alpha = fitted_alpha(batches, [batch.at(images) for batch in batches]).solution
    return Support(images, _regression(problem, images, ridge).labels(alpha))
