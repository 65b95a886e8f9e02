"""The study `curves`: a network's training drawn beside that of its linearisation (Lee et al. 2019, 1902.06720)."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from kerneldistill.evaluation.descent import Problem, descend
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.network_score import score_predictions
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.rate_study import narrow_problem
from kerneldistill.evaluation.studies import Curve, CurveStudy

STEPS = 1000
# Moments at which test images are predicted.
_LOOKS = 30
# Of the largest stable rate: where both follow the flow.
_FACTOR = 0.25
_BATCH = 512


def curve_study(
    target: EvaluationTarget, spec: NetworkSpec, seed: int, progress: Callable[[int], None] = lambda step: None
) -> CurveStudy:
    """Train a network and its linearisation by the same steps, a quarter of the largest stable rate.

    Args:
      target: the support, and test images
      spec: the network
      seed: of its first weights
      progress: told the steps done, of 2 x `STEPS`
    """
    began = time.perf_counter()
    problem = narrow_problem(target, spec, seed)
    rate = _FACTOR * problem.largest_stable_rate()
    steps = moments(STEPS)
    real = curve_of(target, problem, rate, steps, progress)
    linear = curve_of(target, problem.linearised(), rate, steps, lambda step: progress(STEPS + step))
    seconds = time.perf_counter() - began
    return CurveStudy(spec.name, target.digest, seed, rate, steps, real, linear, seconds)


def moments(steps: int) -> tuple[int, ...]:
    """Return the steps at which it is looked at: 0, the first and the last, and between them in equal ratios."""
    return (0, *sorted({int(step) for step in np.geomspace(1, steps, _LOOKS - 1).round()}))


def curve_of(
    target: EvaluationTarget, problem: Problem, rate: float, steps: tuple[int, ...], progress: Callable[[int], None]
) -> Curve:
    """Return test accuracy and error of a training at some steps."""
    predict = jax.jit(problem.apply)
    accuracies, errors = [], []

    def look(step: int, params: Any) -> None:
        found = score_predictions(lambda images: predict(params, images), target.test, target.num_classes, _BATCH)
        accuracies.append(found.accuracy)
        errors.append(found.mse)
        progress(step)

    descend(problem, rate, steps[-1], steps, look)
    return Curve(tuple(accuracies), tuple(errors))
