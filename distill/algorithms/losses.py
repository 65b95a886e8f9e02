"""What is lost by predictions of the targets' labels. A loss is a sum over targets, so that chunks of them add up."""

from collections.abc import Callable
from functools import partial
from math import exp
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from kerneldistill.config.schema import LossConfig


class Loss(NamedTuple):
    """A loss, summed over targets.

    total: the sum
    by_predictions: float64 [t, k] its gradient by the predictions
    terms: how many it is the sum of: the mean is total / terms
    by_log_temperature: its gradient by the logarithm of a learned temperature; 0 where there is none
    """

    total: float
    by_predictions: np.ndarray
    terms: int
    by_log_temperature: float = 0.0


# Of predictions and centred labels, float64 [t, k] each.
LossFunction = Callable[[np.ndarray, np.ndarray], Loss]


def half_mse(predictions: np.ndarray, labels: np.ndarray) -> Loss:
    """KIP's loss: 1/2 sum of squares over [t, k], a mean over targets and classes (2107.13034, eq. 1)."""
    residual = predictions - labels
    return Loss(0.5 * float(np.sum(residual * residual)), residual, residual.size)


def cross_entropy(log_temperature: float, predictions: np.ndarray, labels: np.ndarray) -> Loss:
    """Cross-entropy in nats of softmax(predictions / T), a mean over targets: RFAD's loss (2210.12067, section 3).

    With z = predictions / T, q = softmax(z), p = labels + 1/k the probabilities that centred labels stand for:
        l = sum p (log sum exp z - z),    dl/dpredictions = (q sum p - p) / T,    dl/dlog T = -sum z (q sum p - p)
    """
    temperature = exp(log_temperature)
    logits = predictions / temperature
    log_q = logits - logsumexp(logits, axis=1, keepdims=True)
    p = labels + 1 / labels.shape[1]
    by_logits = np.exp(log_q) * p.sum(1, keepdims=True) - p
    return Loss(
        total=-float(np.sum(p * log_q)),
        by_predictions=by_logits / temperature,
        terms=len(labels),
        by_log_temperature=-float(np.sum(logits * by_logits)),
    )


def loss_of(loss: LossConfig, log_temperature: float) -> LossFunction:
    """The loss that `loss` names; a cross-entropy at this temperature."""
    match loss.name:
        case "mse":
            return half_mse
        case "cross_entropy":
            return partial(cross_entropy, log_temperature)
