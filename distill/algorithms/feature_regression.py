"""Kernel ridge regression on features, solved in the dual or in the primal, whichever is smaller; float64 on the host.

With A [s, D] the features of the support, D = d + 1 of which the last is b_std, and lambda = ridge |A|_F^2 / s:
    k_ss = A A^T,    W = A^T (A A^T + lambda I)^-1 y = (A^T A + lambda I)^-1 A^T y,    prediction = phi(x)^T W
The first form solves an s x s system, the second a D x D one. Targets meet W [D, k] alone: neither the number of images
in the support nor k_ts appears, so that 10,000 images of 1,000 classes cost a pass over 50,000 targets no more than 10.

Gradients, from G = dL/dW, with Y = dL/dy: with H = A^T A + lambda I, B = H^-1 G and y - A W = lambda alpha,
    Y = A B,    dL/dA = (y - A W) B^T - Y W^T - 2 ridge / s <B, W> A
(the last term because the ridge is relative to the trace), and in the dual, without a division by lambda,
    Y = (A A^T + lambda I)^-1 A G,    dL/dA = alpha (G - A^T Y)^T - Y W^T - 2 ridge / s <Y, alpha> A.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import linalg

from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.numerical_error import Diagnosis, NumericalError


class Weights(NamedTuple):
    """A fit.

    of_features: float64 [D, k] W
    residual: float64 [s, k] y - A W over lambda in the dual, alpha; in the primal y - A W
    """

    of_features: np.ndarray
    residual: np.ndarray


@dataclass(frozen=True, eq=False)
class FeatureRegression:
    """A ridge regression from features, factored once for all right-hand sides.

    features: float64 [s, D] of the support
    ridge: relative to the mean diagonal of k_ss

    Raises:
      NumericalError: when first solved with, if the system is not positive definite or not finite.
    """

    features: np.ndarray
    ridge: float

    @property
    def k_ss(self) -> np.ndarray:
        """The kernel of the support [s, s], computed when it is asked for."""
        return self.features @ self.features.T

    @property
    def is_primal(self) -> bool:
        """Whether the system is D x D."""
        return self.features.shape[1] < len(self.features)

    @property
    def size(self) -> int:
        """Rows of the system."""
        return min(self.features.shape)

    @cached_property
    def _system(self) -> Regression:
        """Either system is a kernel with a relative ridge: the traces of A A^T and A^T A are one."""
        rows, size = self.features.shape
        if self.is_primal:
            return Regression(self.features.T @ self.features, self.ridge * size / rows)
        return Regression(self.features @ self.features.T, self.ridge)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """The inverse of the system, times `right` [D, ...] in the primal and [s, ...] in the dual."""
        if not self.is_primal:
            return self._system.solve(right)
        try:
            return self._system.solve(right)
        except NumericalError as error:  # it speaks of D x D entries, of which none is an image
            raise NumericalError(
                f"krr.ridge is {self.ridge:g}, too small for the {self.features.shape[1]} features of the support, or "
                "they are not finite",
                f"set --krr.ridge above {max(self.ridge * 10, 1e-8):.1e}, or use a smaller --optim.learning-rate",
                self.diagnosis(),
            ) from error

    def fit(self, labels: np.ndarray) -> Weights:
        """Fit labels [s, k]."""
        if self.is_primal:
            weights = self.solve(self.features.T @ labels)
            return Weights(weights, labels - self.features @ weights)
        alpha = self.solve(labels)
        return Weights(self.features.T @ alpha, alpha)

    def pull_back(self, fit: Weights, by_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pull the gradient by W [D, k] back to (features [s, D], labels [s, k])."""
        a, scale = self.features, 2 * self.ridge / len(self.features)
        if self.is_primal:
            b = self.solve(by_weights)
            by_labels = a @ b
            by_features = fit.residual @ b.T
            by_features -= scale * np.sum(b * fit.of_features) * a
        else:
            by_labels = self.solve(a @ by_weights)
            by_features = fit.residual @ (by_weights - a.T @ by_labels).T
            by_features -= scale * np.sum(by_labels * fit.residual) * a
        return by_features - by_labels @ fit.of_features.T, by_labels

    def design(self) -> np.ndarray:
        """M [D, s], linear in labels: W = M y."""
        if self.is_primal:
            return self.solve(self.features.T)
        return self.solve(self.features).T

    @property
    def condition(self) -> float:
        """Condition number of the system that is solved, at most 1 / eps."""
        return self._system.condition

    @property
    def rounding(self) -> float:
        """The largest relative error of a solution by rounding."""
        return self._system.rounding

    def diagnosis(self) -> Diagnosis:
        """Diagnose; the worst image has the longest features."""
        lengths = linalg.norm(self.features, axis=1, check_finite=False)
        worst = int(np.argmax(np.where(np.isfinite(lengths), lengths, np.inf)))
        return Diagnosis(np.nan, np.nan, worst)
