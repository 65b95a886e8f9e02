"""Losses are their formulas, and their gradients the derivatives."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.losses import LOSSES, LossFunction, LossValue, half_mse, loss_of
from kerneldistill.config.schema import LossConfig
from tests.helpers.tolerance import assert_close

TARGETS, CLASSES = 11, 4


@pytest.fixture
def predictions() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((TARGETS, CLASSES))


@pytest.fixture
def labels() -> np.ndarray:
    return centred_one_hot(np.random.default_rng(1).integers(0, CLASSES, TARGETS), CLASSES)


def entropy(log_temperature: jax.Array, predictions: jax.Array, labels: jax.Array) -> jax.Array:
    logits = predictions / jnp.exp(log_temperature)
    return jnp.sum(optax.softmax_cross_entropy(logits, labels + 1 / CLASSES))


def entropy_at(log_temperature: float) -> LossFunction:
    return loss_of(LossConfig("cross_entropy")).at({"log_temperature": np.array(log_temperature)})


@pytest.mark.parametrize("log_temperature", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy_and_its_gradients(
    predictions: np.ndarray, labels: np.ndarray, log_temperature: float, soft: bool
) -> None:
    if soft:  # of sums other than one, too
        labels = np.random.default_rng(2).random((TARGETS, CLASSES))
    found = entropy_at(log_temperature)(predictions, labels)
    value, (by_temperature, by_predictions) = jax.value_and_grad(entropy, (0, 1))(
        jnp.array(log_temperature), jnp.asarray(predictions), jnp.asarray(labels)
    )
    assert found.total == pytest.approx(float(value), rel=1e-13)
    assert found.terms == TARGETS
    assert_close(found.by_predictions, by_predictions, 1e-13)
    assert found.by_parameters["log_temperature"] == pytest.approx(float(by_temperature), rel=1e-12)


def test_the_cross_entropy_of_nothing_known_is_the_logarithm_of_the_classes(labels: np.ndarray) -> None:
    found = entropy_at(0.0)(np.zeros((TARGETS, CLASSES)), labels)
    assert found.total / found.terms == pytest.approx(np.log(CLASSES))


def test_large_predictions_overflow_nothing(labels: np.ndarray) -> None:
    found = entropy_at(np.log(1e-3))(1e6 * labels, labels)
    assert found.total == 0
    assert np.isfinite(found.by_predictions).all()


def test_chunks_add_up(predictions: np.ndarray, labels: np.ndarray) -> None:
    for loss in (half_mse, entropy_at(-1.0)):
        whole, first, rest = (loss(predictions[part], labels[part]) for part in (slice(None), slice(4), slice(4, None)))
        assert first.total + rest.total == pytest.approx(whole.total, rel=1e-13)
        assert first.terms + rest.terms == whole.terms
        for name, by_parameter in whole.by_parameters.items():
            assert first.by_parameters[name] + rest.by_parameters[name] == pytest.approx(by_parameter)
        assert_close(np.concatenate([first.by_predictions, rest.by_predictions]), whole.by_predictions, 1e-13)


def test_mse_has_no_temperature(predictions: np.ndarray, labels: np.ndarray) -> None:
    loss = loss_of(LossConfig("mse"))
    assert not loss.learns
    assert loss.init() == {}
    assert loss.at({})(predictions, labels).total == half_mse(predictions, labels).total
    assert half_mse(predictions, labels).by_parameters == {}


def test_every_name_has_a_loss_whose_gradient_names_its_parameters(predictions: np.ndarray, labels: np.ndarray) -> None:
    assert set(LOSSES) == set(get_args(LossConfig.__dataclass_fields__["name"].type))
    for name in LOSSES:
        loss = loss_of(LossConfig(name))
        value = loss.at(loss.init())(predictions, labels)
        assert isinstance(value, LossValue)
        assert value.by_parameters.keys() == loss.init().keys()
