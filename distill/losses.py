"""What is lost by predictions of the targets' labels. A loss is a sum over targets, so that chunks of them add up."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Loss(NamedTuple):
    """A loss, summed over targets and classes.

    total: the sum
    by_predictions: float64 [t, k] its gradient by the predictions
    by_log_temperature: its gradient by the logarithm of a learned temperature; 0 where there is none
    """

    total: float
    by_predictions: np.ndarray
    by_log_temperature: float = 0.0


# Of predictions and labels, float64 [t, k] each.
LossFunction = Callable[[np.ndarray, np.ndarray], Loss]


def half_mse(predictions: np.ndarray, labels: np.ndarray) -> Loss:
    """KIP's loss: 1/2 sum of squares over [t, k] (2107.13034, eq. 1)."""
    residual = predictions - labels
    return Loss(0.5 * float(np.sum(residual * residual)), residual)
