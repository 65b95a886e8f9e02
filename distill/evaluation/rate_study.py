"""The study `rates`: the largest stable learning rate, rates around it, and what becomes of them in a wider network."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kerneldistill.evaluation.descent import Problem, descend
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.network_score import NetworkScore, score_predictions
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.evaluation.studies import Outcome, Parameterization, RateSeries, RateStudy, RateTrial
from kerneldistill.evaluation.training import initial
from kerneldistill.evaluation.width_transfer import mu_scales
from kerneldistill.kernels.finite_ntk import Apply
from kerneldistill.pipeline.split import Split

# Of the largest stable rate of the narrow network.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
# The wide network is so many times as wide: 1024 of the usual 128.
WIDER = 8
STEPS = 300
# Above its beginning by this, a loss has risen: rounding and a last small step have not.
_RISEN = 1.05
_BATCH = 512


def rate_study(
    target: EvaluationTarget,
    spec: NetworkSpec,
    seeds: Sequence[int],
    progress: Callable[[int], None] = lambda done: None,
) -> RateStudy:
    """Train networks of a width and of eight times that at rates around the largest stable one of the narrow.

    Args:
      target: the support, and test images
      spec: the narrow network
      seeds: of first weights
      progress: told the trainings done, of 3 x factors x seeds
    """
    began, done = time.perf_counter(), 0
    rates = {seed: narrow_problem(target, spec, seed).largest_stable_rate() for seed in seeds}
    series = []
    kinds: tuple[tuple[bool, Parameterization], ...] = ((False, "standard"), (True, "standard"), (True, "mu"))
    for wide, kind in kinds:
        used = replace(spec, width=spec.width * WIDER) if wide else spec
        stable, trials = [], []
        for seed in seeds:
            problem = problem_of(target, used, spec, kind, seed)
            stable.append(rates[seed] if not wide else problem.largest_stable_rate())
            for trial in _trials(target, problem, seed, rates[seed]):
                trials.append(trial)
                done += 1
                progress(done)
        trials.sort(key=lambda trial: trial.factor)
        series.append(RateSeries(used.width, kind, tuple(stable), tuple(trials)))
    return RateStudy(spec.name, target.digest, STEPS, tuple(series), time.perf_counter() - began)


def narrow_problem(target: EvaluationTarget, spec: NetworkSpec, seed: int) -> Problem:
    """Return a network at its first weights, with the set to learn."""
    return Problem(
        _apply_of(spec, target.image_shape, target.num_classes),
        initial(spec, target.image_shape, target.num_classes, seed).params,
        jnp.asarray(target.support.images, jnp.float32),
        jnp.asarray(target.support.labels, jnp.float32),
    )


@lru_cache(maxsize=8)
def _apply_of(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Apply:
    """Of parameters alone: networks that are studied have no running means. One for all seeds, so it compiles once."""
    model = model_of(spec, image_shape, outputs)
    return lambda params, images: model.apply(Variables(params, {}), images)


def problem_of(
    target: EvaluationTarget, spec: NetworkSpec, base: NetworkSpec, kind: Parameterization, seed: int
) -> Problem:
    """Return the same in a parameterisation; in mu the base is where that is the standard one."""
    problem = narrow_problem(target, spec, seed)
    if kind == "standard":
        return problem
    draws, rates = mu_scales(spec, base, target.image_shape, target.num_classes)
    first = jax.tree.map(lambda leaf, draw: leaf * np.float32(draw), problem.first, draws)
    return problem._replace(first=first).rescaled(rates)


def _trials(target: EvaluationTarget, problem: Problem, seed: int, stable: float) -> Iterator[RateTrial]:
    predict = jax.jit(problem.apply)
    for factor in FACTORS:
        found = descend(problem, factor * stable, STEPS)
        outcome = outcome_of(found.losses)

        def scored(split: Split, params: Any = found.params) -> NetworkScore:
            return score_predictions(lambda images: predict(params, images), split, target.num_classes, _BATCH)

        tested = scored(target.test)
        chosen_by = scored(target.validation) if len(target.validation) else None
        yield RateTrial(
            factor,
            factor * stable,
            seed,
            float(found.losses[0]),
            _finite(found.losses.max()),
            _finite(found.losses[-1]),
            chosen_by.mse if chosen_by is not None and chosen_by.finite else None,
            tested.accuracy if tested.finite else None,
            outcome,
        )


def outcome_of(losses: np.ndarray) -> Outcome:
    """Return how a training ended, from its losses [steps + 1]."""
    if not np.isfinite(losses).all() or losses[-1] > losses[0]:
        return "diverged"
    return "catapult" if losses.max() > _RISEN * losses[0] else "stable"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
