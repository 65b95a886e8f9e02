"""Kernel ridge regression, in float64 on the host: the support is small, and its kernel is ill conditioned.

Notation: s support images, t targets, k classes; k_ss [s, s], k_ts [t, s], y_s [s, k].
    alpha = (k_ss + ridge * tr(k_ss)/s * I)^-1 y_s,    prediction = k_ts alpha.
(KIP, 2107.13034 eq. 1; the trace-relative ridge is that of its reference code.)
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from scipy import linalg

from kerneldistill.algorithms.numerical_error import Diagnosis, NumericalError
from kerneldistill.runtime.distributed import collectives

_EPS = float(np.finfo(np.float64).eps)
# Up to this many images all eigenvalues cost less than a step: at 1000 a third of a second.
_EIGENVALUES_UP_TO = 1000


@dataclass(frozen=True, eq=False)
class Regression:
    """A kernel ridge regression, factored once for all right-hand sides.

    k_ss: float64 [s, s] kernel of the support with itself
    ridge: relative to the mean diagonal of k_ss

    Raises:
      NumericalError: when first solved with, if k_ss plus the ridge is not positive definite or not finite.
    """

    k_ss: np.ndarray
    ridge: float

    @property
    def size(self) -> int:
        """s."""
        return len(self.k_ss)

    @cached_property
    def _regularised(self) -> np.ndarray:
        finite = np.isfinite(self.k_ss)
        if not finite.all():
            raise NumericalError(
                "the kernel of the support is not finite, its images have left the range of the kernel's precision",
                "use a smaller --optim.learning-rate or --kernel.dtype float64, or of gauss_newton a larger "
                "--optim.gauss-newton.damping",
                Diagnosis(np.nan, np.nan, int(np.argmin(finite.sum(1)))),
            )
        return self.k_ss + self.ridge * self._mean_diagonal * np.eye(len(self.k_ss))

    @cached_property
    def _mean_diagonal(self) -> float:
        return float(np.trace(self.k_ss)) / len(self.k_ss)

    @cached_property
    def _factor(self) -> tuple[np.ndarray, bool]:
        try:
            return linalg.cho_factor(self._regularised, lower=True)
        except linalg.LinAlgError as error:
            lowest = self.diagnosis().smallest_eigenvalue
            raise NumericalError(
                f"krr.ridge is {self.ridge:g}, too small for the kernel of the support",
                f"set --krr.ridge above {max(-lowest, 1e-8):.1e}, or use --kernel.dtype float64",
                self.diagnosis()._replace(condition=np.inf),
            ) from error

    def diagnosis(self) -> Diagnosis:
        """Diagnose a finite k_ss: its worst image has the largest entry of the eigenvector of the least eigenvalue."""
        lowest, vector = linalg.eigh(self.k_ss, subset_by_index=(0, 0))
        worst = int(np.argmax(np.abs(vector[:, 0])))
        return Diagnosis(self._exact_condition, float(lowest[0]) / self._mean_diagonal, worst)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """(k_ss + ridge tr/s I)^-1 right, for right [s, ...]."""
        # What is not finite in `right` stays so in the solution, for the caller, who knows the step, to refuse.
        return linalg.cho_solve(self._factor, right, check_finite=False)

    def labels(self, alpha: np.ndarray) -> np.ndarray:
        """(k_ss + ridge tr/s I) alpha: the labels from which `solve` gives alpha [s, ...]."""
        return self._regularised @ alpha

    @cached_property
    def condition(self) -> float:
        """Condition number of k_ss with its ridge, at most 1 / eps; estimated (LAPACK pocon) where s is large."""
        if len(self.k_ss) <= _EIGENVALUES_UP_TO:
            return self._exact_condition
        factor, lower = self._factor
        (pocon,) = linalg.get_lapack_funcs(("pocon",), (factor,))
        inverse, _ = pocon(factor, linalg.norm(self._regularised, 1), uplo="L" if lower else "U")
        return 1 / max(_EPS, float(inverse))

    @cached_property
    def _exact_condition(self) -> float:
        eigenvalues = linalg.eigvalsh(self._regularised)
        # The smallest is itself known to eps times the largest, and may come out negative.
        return 1 / max(_EPS, float(eigenvalues[0] / eigenvalues[-1]))

    @property
    def rounding(self) -> float:
        """The largest relative error of a solution by rounding: eps times the condition number, at most 1."""
        return _EPS * self._exact_condition

    def pull_back(self, alpha: np.ndarray, g_alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pull the gradient by alpha [s, k] back to (k_ss [s, s], y_s [s, k]).

        With B = (k_ss + ridge ..)^-1 g_alpha: dL/dy_s = B and dL/dk_ss = -B alpha^T - ridge/s <B, alpha> I, the second
        term because the ridge is relative to the trace.
        """
        g_labels = self.solve(g_alpha)
        g_kernel = -g_labels @ alpha.T
        g_kernel -= self.ridge / len(alpha) * np.sum(g_labels * alpha) * np.eye(len(alpha))
        return g_kernel, g_labels


class Factored(Protocol):
    """What has a system that is factored when it is first solved with."""

    @property
    def size(self) -> int:
        """Rows of the system."""
        ...

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solve for `right` [size, ...]."""
        ...


R = TypeVar("R", bound=Factored)


def factored(regression: R) -> R:
    """The same regression, its kernel known to be invertible: in all processes or in none.

    Raises:
      NumericalError: k_ss plus the ridge is not positive definite or not finite, in one of them at least.
    """
    fault = None
    try:
        regression.solve(np.zeros(regression.size))
    except NumericalError as error:
        fault = error
    if collectives.any_of(fault is not None):
        unknown = Diagnosis(np.nan, np.nan, 0)
        raise fault or NumericalError("another process could not invert the kernel", "raise --krr.ridge", unknown)
    return regression
