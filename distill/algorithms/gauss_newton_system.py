"""The linear system of a Gauss-Newton step: how predictions change with the images.

Predictions of a kept batch b are k_b alpha. A change dx of the support's images changes k_b by <J_b, dx>, and alpha:
    learned labels    alpha is what fits best. What it mends by itself is projected off the change (Kaufman 1975)
    fixed labels      alpha = R y_s, R = (k_ss + ridge tr/s I)^-1, so dalpha = -R (dk_ss + ridge tr(dk_ss)/s I) alpha
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.least_squares import LeastSquares, least_squares
from kerneldistill.algorithms.linearised import Linearised
from kerneldistill.runtime.distributed import collectives

# Singular values of k_ts below this part of the largest count for little where alpha is fitted: float32 kernels know
# their entries to about 1e-6, and alpha along such directions would be noise.
_CUTOFF = 3e-5
# Under fixed labels no step is longer than this part of the images' norm. Predictions there go as one over the images'
# scale, which a linear model of them overshoots: steps as they are solved took 10 images of CIFAR-10 at 16x16 beyond
# float32 in 11 steps. After 60, steps of at most 0.03, 0.1 and 0.2 had a validation mse of .0367, .0355 and .0354, and
# learned labels .0356.
_LONGEST = 0.2


class System(ABC):
    """The kept batches at the images as they are now; all arrays of targets are lists of one [t, ...] a batch.

    batches: linearised at earlier images, the newest first
    kernels: k_ts [t, s] of each at the images as they are now
    alpha: float64 [s, k] coefficients of the regression
    residuals: k_ts alpha - y_t [t, k]
    """

    def __init__(self, batches: Sequence[Linearised], kernels: Sequence[np.ndarray], alpha: np.ndarray) -> None:
        self.batches, self.kernels, self.alpha = batches, kernels, alpha
        self.residuals = [k @ alpha - b.labels for k, b in zip(kernels, batches, strict=True)]

    @abstractmethod
    def change(self, dx: np.ndarray) -> list[np.ndarray]:
        """The change [t, k] of the predictions with a change [s, d] of the images."""

    @abstractmethod
    def pull_back(self, cotangents: Sequence[np.ndarray]) -> np.ndarray:
        """The transpose of `change`: float64 [s, d], summed over the batches and all processes."""

    def gradient(self) -> np.ndarray:
        """The gradient [s, d] of half the sum of squared residuals."""
        return self.pull_back(self.residuals)

    def times(self, dx: np.ndarray) -> np.ndarray:
        """The Gauss-Newton matrix, the transpose of `change` after `change`, times dx [s, d]."""
        return self.pull_back(self.change(dx))

    def scale(self) -> float:
        """Mean over the newest batch's targets and classes of the squared length of a prediction's gradient."""
        newest = self.batches[0]
        lengths = np.stack([np.einsum("td,td->t", j, j, dtype=np.float64) for j in newest.jacobian], axis=1)
        total, terms = collectives.all_reduce_sum((float((lengths @ self.alpha**2).sum()), newest.labels.size))
        return total / terms

    def bounded(self, dx: np.ndarray) -> np.ndarray:
        """The step [s, d] that is taken of one that solves the system."""
        return dx

    def _moved(self, dx: np.ndarray) -> list[np.ndarray]:
        """The change of predictions by k_ts alone."""
        return [batch.along(dx) @ self.alpha for batch in self.batches]

    def _sum_by_k_ts(self, cotangents: Sequence[np.ndarray]) -> np.ndarray:
        """The transpose of `_moved`, of this process's targets."""
        parts = zip(self.batches, cotangents, strict=True)
        return sum((batch.pull_back(part @ self.alpha.T) for batch, part in parts), start=np.zeros(()))

    def _by_alpha(self, cotangents: Sequence[np.ndarray]) -> np.ndarray:
        """The gradient [s, k] by alpha, of all targets."""
        own = sum((k.T @ part for k, part in zip(self.kernels, cotangents, strict=True)), start=np.zeros(()))
        return collectives.all_reduce_sum(own)


class LearnedLabels(System):
    """The system where the labels are learned, and so eliminated."""

    def __init__(self, batches: Sequence[Linearised], images: np.ndarray) -> None:
        kernels = [batch.at(images) for batch in batches]
        fit = fitted_alpha(batches, kernels)
        super().__init__(batches, kernels, fit.solution)
        self._inverse = fit.inverse

    def change(self, dx: np.ndarray) -> list[np.ndarray]:
        """See `System.change`."""
        return self._off(self._moved(dx))

    def pull_back(self, cotangents: Sequence[np.ndarray]) -> np.ndarray:
        """See `System.pull_back`."""
        return collectives.all_reduce_sum(self._sum_by_k_ts(self._off(cotangents)))

    def _off(self, parts: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Project off what alpha can predict."""
        mended = self._inverse @ self._by_alpha(parts)
        return [part - k @ mended for part, k in zip(parts, self.kernels, strict=True)]


class FixedLabels(System):
    """The system where the labels are fixed, and alpha moves with the images through k_ss.

    itself: the support's images as targets, linearised at `images`, whole in every process
    """

    def __init__(
        self,
        batches: Sequence[Linearised],
        images: np.ndarray,
        regression: Regression,
        alpha: np.ndarray,
        itself: Linearised,
    ) -> None:
        super().__init__(batches, [batch.at(images) for batch in batches], alpha)
        self._regression, self._itself = regression, itself
        self._longest = _LONGEST * float(np.linalg.norm(images.astype(np.float64)))

    def change(self, dx: np.ndarray) -> list[np.ndarray]:
        """See `System.change`."""
        half = self._itself.along(dx)
        by_k_ss = self._with_ridge(half + half.T) @ self.alpha
        dalpha = -self._regression.solve(by_k_ss)
        return [moved + k @ dalpha for moved, k in zip(self._moved(dx), self.kernels, strict=True)]

    def pull_back(self, cotangents: Sequence[np.ndarray]) -> np.ndarray:
        """See `System.pull_back`."""
        by_k_ss = -self._regression.solve(self._by_alpha(cotangents)) @ self.alpha.T
        by_half = self._with_ridge(by_k_ss)
        own = collectives.all_reduce_sum(self._sum_by_k_ts(cotangents))
        return own + self._itself.pull_back(by_half + by_half.T)

    def bounded(self, dx: np.ndarray) -> np.ndarray:
        """See `System.bounded`."""
        length = float(np.linalg.norm(dx))
        return dx if length <= self._longest else self._longest / length * dx

    def _with_ridge(self, dk_ss: np.ndarray) -> np.ndarray:
        """Add to a change [s, s] of k_ss that of its ridge, which follows the trace; symmetric, its own transpose."""
        size = len(dk_ss)
        return dk_ss + self._regression.ridge * np.trace(dk_ss) / size * np.eye(size)


def fitted_alpha(batches: Sequence[Linearised], kernels: Sequence[np.ndarray]) -> LeastSquares:
    """The alpha [s, k] that predicts the labels of the batches best from their kernels [t, s]."""
    labels = [batch.labels for batch in batches]
    return least_squares(np.concatenate(kernels), np.concatenate(labels), _CUTOFF)
