"""Every optimiser is optax's of that name; images, labels and temperature each move at their own rate."""

from dataclasses import replace
from typing import Any, get_args

import jax
import numpy as np
import optax
import pytest

from kerneldistill.algorithms.optimizer import Parameters, optimiser, schedule
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config, LossConfig, OptaxName, ScheduleConfig, SupportConfig

pytestmark = pytest.mark.usefixtures("optax_may_promote")

NAMES = get_args(OptaxName)
SIZE = 3


def config_of(learned: bool = True, **optim: Any) -> Config:
    return replace(
        PRESETS["digits"],
        support=SupportConfig(SIZE, learn_labels=learned),
        loss=LossConfig("cross_entropy" if learned else "mse"),
        optim=replace(PRESETS["digits"].optim, **optim),
    )


def parameters(seed: int, learned: bool = True) -> Parameters:
    rng = np.random.default_rng(seed)
    images, labels = rng.standard_normal((SIZE, 2, 2, 1)).astype(np.float32), rng.standard_normal((SIZE, 2))
    return Parameters(images, labels, {"t": rng.standard_normal(())[()]}) if learned else Parameters(images, None, None)


def moved(of: optax.GradientTransformation, params: Any, gradients: list[Any]) -> Any:
    state = of.init(params)
    for gradient in gradients:
        updates, state = of.update(gradient, state, params)
        params = jax.device_get(optax.apply_updates(params, updates))
    return params


@pytest.mark.parametrize(
    ("changes", "truth"),
    [
        ({"name": "adam"}, optax.adam(0.1)),
        ({"name": "adam", "momentum": 0.5, "second_momentum": 0.9, "epsilon": 1e-3}, optax.adam(0.1, 0.5, 0.9, 1e-3)),
        ({"name": "adamw", "weight_decay": 0.3}, optax.adamw(0.1, weight_decay=0.3)),
        ({"name": "adabelief"}, optax.adabelief(0.1)),
        ({"name": "lamb", "weight_decay": 0.3}, optax.lamb(0.1, weight_decay=0.3)),
        ({"name": "sgd", "momentum": 0.7}, optax.sgd(0.1, momentum=0.7)),
        ({"name": "sgd", "clip": 0.2}, optax.chain(optax.clip_by_global_norm(0.2), optax.sgd(0.1, momentum=0.9))),
    ],
)
def test_each_name_is_that_of_optax(changes: dict[str, Any], truth: optax.GradientTransformation) -> None:
    config = config_of(learning_rate=0.1, label_learning_rate=0.01, temperature_learning_rate=0.02, **changes)
    first, gradients = parameters(0), [parameters(seed) for seed in (1, 2)]
    found = moved(optimiser(config), first, gradients)
    assert found.images.dtype == np.float32
    assert found.labels.dtype == np.float64
    for name, factor in (("images", 1.0), ("labels", 0.1)):
        alone = moved(truth, getattr(first, name), [getattr(gradient, name) for gradient in gradients])
        if name == "images":
            np.testing.assert_array_equal(found.images, alone)
        elif changes["name"] != "lamb":  # whose steps of two follow each other's norms
            step = (alone - first.labels) * factor
            np.testing.assert_allclose(found.labels - first.labels, step, rtol=0.02, atol=1e-3)
    temperature = moved(optax.adam(0.02), first.loss["t"], [g.loss["t"] for g in gradients])
    assert found.loss["t"] == temperature


def test_every_name_is_tested() -> None:
    for name in NAMES:
        assert optimiser(config_of(name=name)).init(parameters(0))


def test_what_is_not_learned_has_no_state() -> None:
    state = optimiser(config_of(learned=False)).init(parameters(0, learned=False))
    assert {np.shape(leaf) for leaf in jax.tree.leaves(state)} <= {(), (SIZE, 2, 2, 1)}
    found = moved(optimiser(config_of(learned=False)), parameters(0, learned=False), [parameters(1, learned=False)])
    assert found.labels is None
    assert found.loss is None


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (ScheduleConfig(), [1, 1, 1, 1, 1]),
        (ScheduleConfig("constant", warmup=2), [0, 0.5, 1, 1, 1]),
        (ScheduleConfig("linear", end=0.2), [1, 0.8, 0.6, 0.4, 0.2]),
        (ScheduleConfig("linear", warmup=2, end=0), [0, 0.5, 1, 0.5, 0]),
        (ScheduleConfig("cosine", end=0), [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0]),
        (ScheduleConfig("piecewise", at=(1, 3), drop=0.5), [1, 0.5, 0.5, 0.25, 0.25]),
        (ScheduleConfig("piecewise", warmup=2, at=(3,), drop=0.5), [0, 0.5, 1, 0.5, 0.5]),
    ],
)
def test_schedules(config: ScheduleConfig, values: list[float]) -> None:
    factor = schedule(config, steps=4)
    assert [float(factor(step)) for step in range(5)] == pytest.approx(values)


def test_a_schedule_scales_every_rate() -> None:
    config = config_of(name="sgd", momentum=0.0, schedule=ScheduleConfig("piecewise", at=(1,), drop=0.5))
    first, gradient = parameters(0), parameters(1)
    once = moved(optimiser(config), first, [gradient])
    twice = moved(optimiser(config), first, [gradient] * 2)
    np.testing.assert_allclose(twice.images - once.images, 0.5 * (once.images - first.images), atol=1e-6)
    np.testing.assert_allclose(twice.labels - once.labels, 0.5 * (once.labels - first.labels))
