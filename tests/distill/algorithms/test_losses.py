"""Losses are their formulas, and their gradients the derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from kerneldistill.algorithms.losses import Loss, half_mse, loss_of
from kerneldistill.algorithms.support import centred_one_hot
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


@pytest.mark.parametrize("log_temperature", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy_and_its_gradients(
    predictions: np.ndarray, labels: np.ndarray, log_temperature: float, soft: bool
) -> None:
    if soft:  # of sums other than one, too
        labels = np.random.default_rng(2).random((TARGETS, CLASSES))
    found = loss_of(LossConfig("cross_entropy"), log_temperature)(predictions, labels)
    value, (by_temperature, by_predictions) = jax.value_and_grad(entropy, (0, 1))(
        jnp.array(log_temperature), jnp.asarray(predictions), jnp.asarray(labels)
    )
    assert found.total == pytest.approx(float(value), rel=1e-13)
    assert found.terms == TARGETS
    assert_close(found.by_predictions, by_predictions, 1e-13)
    assert found.by_log_temperature == pytest.approx(float(by_temperature), rel=1e-12)


def test_the_cross_entropy_of_nothing_known_is_the_logarithm_of_the_classes(labels: np.ndarray) -> None:
    found = loss_of(LossConfig("cross_entropy"), 0.0)(np.zeros((TARGETS, CLASSES)), labels)
    assert found.total / found.terms == pytest.approx(np.log(CLASSES))


def test_large_predictions_overflow_nothing(labels: np.ndarray) -> None:
    found = loss_of(LossConfig("cross_entropy"), np.log(1e-3))(1e6 * labels, labels)
    assert found.total == 0
    assert np.isfinite(found.by_predictions).all()


def test_chunks_add_up(predictions: np.ndarray, labels: np.ndarray) -> None:
    for config in (LossConfig("mse"), LossConfig("cross_entropy")):
        loss = loss_of(config, -1.0)
        whole, first, rest = (loss(predictions[part], labels[part]) for part in (slice(None), slice(4), slice(4, None)))
        assert first.total + rest.total == pytest.approx(whole.total, rel=1e-13)
        assert first.terms + rest.terms == whole.terms
        assert first.by_log_temperature + rest.by_log_temperature == pytest.approx(whole.by_log_temperature)
        assert_close(np.concatenate([first.by_predictions, rest.by_predictions]), whole.by_predictions, 1e-13)


def test_mse_has_no_temperature(predictions: np.ndarray, labels: np.ndarray) -> None:
    found = loss_of(LossConfig("mse"), 5.0)(predictions, labels)
    assert isinstance(found, Loss)
    assert found.total == half_mse(predictions, labels).total
    assert found.by_log_temperature == 0
