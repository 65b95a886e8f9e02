"""Losses on predicted labels. A loss is a sum over targets, so that chunks of them add up, and owns its parameters.

To add one, write a class with the methods of `Loss`, and give it a row in `LOSSES` and its name to `LossConfig`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import exp
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import logsumexp

from kerneldistill.algorithms.labels import class_probabilities
from kerneldistill.config.schema import LossConfig

# Numbers that a loss depends on beside the predictions, float64 [] by name.
LossParameters = Mapping[str, np.ndarray]


class LossValue(NamedTuple):
    """A loss, summed over targets.

    total: the sum
    by_predictions: float64 [t, k] its gradient by the predictions
    terms: how many it is the sum of: the mean is total / terms
    by_parameters: its gradient by each parameter of the loss
    """

    total: float
    by_predictions: np.ndarray
    terms: int
    by_parameters: Mapping[str, float] = MappingProxyType({})


# Of predictions and centred labels, float64 [t, k] each.
LossFunction = Callable[[np.ndarray, np.ndarray], LossValue]


class Loss(Protocol):
    """A loss with parameters of its own; made of the configuration."""

    @property
    def learns(self) -> bool:
        """Whether the optimiser moves the parameters."""
        ...

    def init(self) -> LossParameters:
        """The parameters at step 0; none for a loss without."""
        ...

    def at(self, parameters: LossParameters) -> LossFunction:
        """The loss with these parameters."""
        ...


def half_mse(predictions: np.ndarray, labels: np.ndarray) -> LossValue:
    """KIP's loss: 1/2 sum of squares over [t, k], a mean over targets and classes (2107.13034, eq. 1)."""
    residual = predictions - labels
    return LossValue(0.5 * float(np.sum(residual * residual)), residual, residual.size)


class HalfMse:
    """`half_mse`, which has no parameters."""

    learns = False

    def __init__(self, config: LossConfig) -> None:
        del config

    def init(self) -> LossParameters:
        """No parameters."""
        return {}

    def at(self, parameters: LossParameters) -> LossFunction:
        """The loss."""
        del parameters
        return half_mse


class CrossEntropy:
    """Cross-entropy in nats of softmax(predictions / T), a mean over targets: RFAD's loss (2210.12067, section 3).

    With z = predictions / T, q = softmax(z), p = labels + 1/k the probabilities that centred labels stand for:
        l = sum p (log sum exp z - z),    dl/dpredictions = (q sum p - p) / T,    dl/dlog T = -sum z (q sum p - p)
    """

    def __init__(self, config: LossConfig) -> None:
        self.learns = config.learn_temperature
        self._temperature = config.temperature

    def init(self) -> LossParameters:
        """The logarithm of the temperature."""
        return {"log_temperature": np.array(np.log(self._temperature))}

    def at(self, parameters: LossParameters) -> LossFunction:
        """The loss at a temperature."""
        return partial(_cross_entropy, exp(float(parameters["log_temperature"])))


def _cross_entropy(temperature: float, predictions: np.ndarray, labels: np.ndarray) -> LossValue:
    logits = predictions / temperature
    log_q = logits - np.asarray(logsumexp(logits, axis=1, keepdims=True))
    p = class_probabilities(labels)
    by_logits = np.exp(log_q) * p.sum(1, keepdims=True) - p
    return LossValue(
        total=-float(np.sum(p * log_q)),
        by_predictions=by_logits / temperature,
        terms=len(labels),
        by_parameters={"log_temperature": -float(np.sum(logits * by_logits))},
    )


LOSSES: Mapping[str, Callable[[LossConfig], Loss]] = MappingProxyType({"mse": HalfMse, "cross_entropy": CrossEntropy})


def loss_of(config: LossConfig) -> Loss:
    """The loss that a configuration names."""
    return LOSSES[config.name](config)
