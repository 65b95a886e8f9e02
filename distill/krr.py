"""Kernel ridge regression, in float64 on the host: the support is small, and its kernel is ill conditioned.

Notation: s support images, t targets, k classes; k_ss [s, s], k_ts [t, s], y_s [s, k].
    alpha = (k_ss + ridge * tr(k_ss)/s * I)^-1 y_s,    prediction = k_ts alpha.
(KIP, 2107.13034 eq. 1; the trace-relative ridge is that of its reference code.)
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from distill.errors import UserError


@dataclass(frozen=True, eq=False)
class Regression:
    """The solved side of a kernel ridge regression.

    k_ss: float64 [s, s] kernel of the support with itself
    ridge: relative to the mean diagonal of k_ss

    Raises:
      UserError: when first solved with, if k_ss plus the ridge is not positive definite or not finite.
    """

    k_ss: np.ndarray
    ridge: float

    @cached_property
    def _regularised(self) -> np.ndarray:
        size = len(self.k_ss)
        if not np.isfinite(self.k_ss).all():
            raise UserError(
                "the kernel of the support is not finite: its images have left the range of the kernel's precision; "
                "use a smaller --optim.learning-rate or --kernel.dtype float64"
            )
        return self.k_ss + self.ridge * np.trace(self.k_ss) / size * np.eye(size)

    @cached_property
    def _factor(self) -> tuple[np.ndarray, bool]:
        try:
            return linalg.cho_factor(self._regularised, lower=True)
        except linalg.LinAlgError as error:
            low = linalg.eigvalsh(self.k_ss)[0] / np.trace(self.k_ss) * len(self.k_ss)
            raise UserError(
                f"krr.ridge is {self.ridge:g}, but the kernel of the support has an eigenvalue of {low:.1e} times its "
                f"mean diagonal: set --krr.ridge above {max(-low, 1e-8):.1e}, or use --kernel.dtype float64"
            ) from error

    def solve(self, right: np.ndarray) -> np.ndarray:
        """(k_ss + ridge tr/s I)^-1 right, for right [s, ...]."""
        # What is not finite in `right` stays so in the solution, for the caller, who knows the step, to refuse.
        return linalg.cho_solve(self._factor, right, check_finite=False)

    @cached_property
    def rounding(self) -> float:
        """How far rounding may move a solution, relative to it: eps times the condition number, at most 1."""
        eigenvalues, eps = linalg.eigvalsh(self._regularised), float(np.finfo(np.float64).eps)
        # The smallest is itself known to eps times the largest, and may come out negative.
        return eps / max(eps, float(eigenvalues[0] / eigenvalues[-1]))

    def pull_back(self, alpha: np.ndarray, g_alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pulls the gradient by alpha [s, k] back to (k_ss [s, s], y_s [s, k]).

        With B = (k_ss + ridge ..)^-1 g_alpha: dL/dy_s = B and dL/dk_ss = -B alpha^T - ridge/s <B, alpha> I, the second
        term because the ridge is relative to the trace.
        """
        g_labels = self.solve(g_alpha)
        g_kernel = -g_labels @ alpha.T
        g_kernel -= self.ridge / len(alpha) * np.sum(g_labels * alpha) * np.eye(len(alpha))
        return g_kernel, g_labels
