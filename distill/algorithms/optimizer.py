"""The optimiser of what is learned: images, labels and the loss's parameters, each at its rate, under one schedule."""

from collections.abc import Hashable
from typing import Any, NamedTuple

import optax

from kerneldistill.algorithms.losses import loss_of
from kerneldistill.config.schema import Config, OptimConfig, ScheduleConfig


class Parameters(NamedTuple):
    """What is learned, or a value for each part of it; None for a part that is fixed.

    images: [s, h, w, c] whitened pixels, before the matrix where one is learned
    labels: float64 [s, k]
    loss: the loss's parameters, float64 [] by name
    matrix: [h w c, h w c] by which all images are multiplied
    """

    images: Any
    labels: Any
    loss: Any
    matrix: Any = None


def optimiser(config: Config) -> optax.GradientTransformation:
    """The optimiser of a run's `Parameters`."""
    optim = config.optim
    label_rate = optim.learning_rate if optim.label_learning_rate is None else optim.label_learning_rate
    each: dict[Hashable, optax.GradientTransformation] = {
        "images": _clipped(optim, _named(optim, _rate(optim, optim.learning_rate))),
        "labels": _clipped(optim, _named(optim, _rate(optim, label_rate))),
        # Single numbers: norms and decays of arrays do not suit them.
        "loss": optax.adam(_rate(optim, optim.temperature_learning_rate)),
    }
    if optim.transform_learning_rate is not None:
        each["matrix"] = _clipped(optim, _named(optim, _rate(optim, optim.transform_learning_rate)))
    learned = {
        "labels": config.support.learn_labels,
        "loss": loss_of(config.loss).learns,
        "matrix": "matrix" in each,
    }
    return optax.multi_transform(each, Parameters("images", *(name if on else None for name, on in learned.items())))


def schedule(config: ScheduleConfig, steps: int) -> optax.Schedule:
    """The factor of all learning rates as a function of the step, counted from 0, of `steps`."""
    rest = max(1, steps - config.warmup)
    match config.name:
        case "constant":
            after = optax.constant_schedule(1.0)
        case "cosine":
            after = optax.cosine_decay_schedule(1.0, rest, alpha=config.end)
        case "linear":
            after = optax.linear_schedule(1.0, config.end, rest)
        case "piecewise":
            drops = {at - config.warmup: config.drop for at in config.at}
            after = optax.piecewise_constant_schedule(1.0, drops)
    if not config.warmup:
        return after
    return optax.join_schedules([optax.linear_schedule(0.0, 1.0, config.warmup), after], [config.warmup])


def _rate(optim: OptimConfig, rate: float) -> float | optax.Schedule:
    if optim.schedule.name == "constant" and not optim.schedule.warmup:
        return rate
    factor = schedule(optim.schedule, optim.steps)
    return lambda step: rate * factor(step)


def _named(optim: OptimConfig, rate: float | optax.Schedule) -> optax.GradientTransformation:
    adaptive: dict[str, Any] = {"b1": optim.momentum, "b2": optim.second_momentum}
    if optim.epsilon is not None:
        adaptive["eps"] = optim.epsilon
    match optim.name:
        case "adam":
            return optax.adam(rate, **adaptive)
        case "adamw":
            return optax.adamw(rate, **adaptive, weight_decay=optim.weight_decay)
        case "adabelief":
            return optax.adabelief(rate, **adaptive)
        case "lamb":
            return optax.lamb(rate, **adaptive, weight_decay=optim.weight_decay)
        case "sgd":
            return optax.sgd(rate, momentum=optim.momentum)
        case "gauss_newton":
            raise ValueError("gauss_newton is an algorithm of its own, not an optimiser of optax's")


def _clipped(optim: OptimConfig, inner: optax.GradientTransformation) -> optax.GradientTransformation:
    return inner if optim.clip is None else optax.chain(optax.clip_by_global_norm(optim.clip), inner)
