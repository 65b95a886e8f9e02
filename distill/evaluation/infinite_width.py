"""What infinitely wide networks predict from a support, and how certain they are: kernels and linear algebra alone.

Notation: s support images, t targets, k classes; K the NNGP and T (Theta) the NTK, K_ss [s, s], K_ts [t, s], K_tt [t]
the targets' own variances; K^ = K_ss + ridge tr(K_ss)/s I, T^ likewise, as in `algorithms.krr`; y [s, k] the labels.

NNGP, Bayesian inference over all weights (Lee et al. 2018, 1711.00165, eq. 8-9):
    mean = K_ts K^^-1 y,    variance = K_tt - diag(K_ts K^^-1 K_st).
Gradient flow of the squared loss 1/2 |f - y|^2 from random weights, at time tau (Lee et al. 2019, 1902.06720, eq. 10-11
for one network, corollary 1 for the ensemble of all initial weights; f0 ~ GP(0, K)):
    f(tau) = f0_t + T_ts B (y - f0_s),    B = T^^-1 (I - exp(-T^ tau)),
    mean = T_ts B y,    variance = K_tt - 2 diag(T_ts B K_st) + diag(T_ts B K_ss B T_st).
The papers have no ridge. Here it is weight decay towards the initial weights, ridge tr(T_ss)/s / 2 |w - w0|^2: with
w - w0 = J_s^T a the flow is a' = y - f0_s - T^ a, whence a = B (y - f0_s). At tau = infinity the mean is kernel ridge
regression. Where the last layer alone is trained, K stands in for T. Outputs of a class are independent of the others'
and share their variance.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, special

from kerneldistill.algorithms.krr import Regression

# Of the quadrature: exact to 1e-6 for gaps up to five deviations. A gap that stands for an infinite one, in deviations.
_NODES, _CERTAIN = 40, 40.0


class Blocks(NamedTuple):
    """One kernel between a support and targets, float64.

    ss: [s, s]
    ts: [t, s]
    """

    ss: np.ndarray
    ts: np.ndarray


class Prediction(NamedTuple):
    """Gaussian outputs on targets.

    mean: float64 [t, k]
    variance: float64 [t] of each class's output, in squared units of the labels; not negative
    """

    mean: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """Training by gradient flow, through the eigenvectors of the kernel that drives it.

    k_ss: float64 [s, s] NTK of the support; the NNGP where the last layer alone is trained
    ridge: relative to the mean diagonal of k_ss

    Raises:
      UserError: when first used, if k_ss plus the ridge is not positive definite or not finite.

    Example:
      GradientFlow(ntk.ss, ridge).mean(ntk.ts, labels, time=np.inf)  # kernel ridge regression
    """

    k_ss: np.ndarray
    ridge: float

    @property
    def rates(self) -> np.ndarray:
        """Eigenvalues of k_ss with its ridge, ascending, float64 [s]: what each mode's error decays by, 1 / time."""
        return self._modes[0]

    def fitted(self, right: np.ndarray, time: float) -> np.ndarray:
        """Return B(time) right, for right [s, ...]; (k_ss + ridge tr/s I)^-1 right at infinity, 0 at 0.

        Raises:
          ValueError: the time is negative or not a number.
        """
        if not time >= 0:
            raise ValueError(f"time is {time}, must be >= 0")
        rates, vectors = self._modes
        gains = -np.expm1(-rates * time) / rates
        return (vectors * gains) @ (vectors.T @ right)

    def fitted_by(self, modes: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return what some eigenvectors, by indices in `rates`, add to `fitted(right, infinity)`, [s, ...]."""
        rates, vectors = self._modes
        return (vectors[:, modes] / rates[modes]) @ (vectors[:, modes].T @ right)

    def mean(self, k_ts: np.ndarray, labels: np.ndarray, time: float) -> np.ndarray:
        """Return the ensemble's mean output [t, k] at `time`, from the kernel [t, s] and the labels [s, k]."""
        return k_ts @ self.fitted(labels, time)

    def variance(self, k_ts: np.ndarray, nngp: Blocks, own: np.ndarray, time: float) -> np.ndarray:
        """Return the ensemble's variance [t] at `time`.

        Args:
          k_ts: [t, s] of the kernel that drives the flow
          nngp: of the untrained networks
          own: [t] NNGP of each target with itself
          time: in units of 1 / `rates`
        """
        drawn = self.fitted(k_ts.T, time)
        initial = np.einsum("ts,st->t", nngp.ts, drawn)
        return np.maximum(own - 2 * initial + np.einsum("st,st->t", drawn, nngp.ss @ drawn), 0.0)

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray]:
        Regression(self.k_ss, self.ridge).solve(np.zeros(len(self.k_ss)))  # refuses what cannot be solved
        values, vectors = linalg.eigh(self.k_ss)
        rates = values + self.ridge * np.trace(self.k_ss) / len(values)
        # Rounding tells nothing smaller from zero, and may make it negative.
        return np.maximum(rates, np.finfo(np.float64).eps * rates[-1]), vectors


def nngp_posterior(nngp: Blocks, own: np.ndarray, labels: np.ndarray, ridge: float) -> Prediction:
    """Bayesian inference with the infinitely wide network: all weights uncertain, the ridge as noise of the labels.

    Args:
      nngp: of support and targets
      own: [t] NNGP of each target with itself
      labels: [s, k]
      ridge: relative to the mean diagonal of nngp.ss

    Raises:
      UserError: the kernel of the support cannot be inverted.
    """
    flow = GradientFlow(nngp.ss, ridge)
    explained = np.einsum("ts,st->t", nngp.ts, flow.fitted(nngp.ts.T, np.inf))
    return Prediction(flow.mean(nngp.ts, labels, np.inf), np.maximum(own - explained, 0.0))


def ntk_ensemble(
    ntk: Blocks, nngp: Blocks, own: np.ndarray, labels: np.ndarray, ridge: float, time: float = np.inf
) -> Prediction:
    """Return all networks that gradient flow trains from random weights, until `time`.

    Args:
      ntk: of support and targets
      nngp: likewise
      own: [t] NNGP of each target with itself
      labels: [s, k]
      ridge: relative to the mean diagonal of ntk.ss
      time: in units of 1 / `GradientFlow.rates`

    Raises:
      UserError: the kernel of the support cannot be inverted.
    """
    flow = GradientFlow(ntk.ss, ridge)
    return Prediction(flow.mean(ntk.ts, labels, time), flow.variance(ntk.ts, nngp, own, time))


def confidence(prediction: Prediction) -> np.ndarray:
    """Return how often the likeliest class, that of the largest mean, has the largest output, float64 [t]."""
    return probability_of_largest(prediction, prediction.mean.argmax(axis=1))


def probability_of_largest(prediction: Prediction, classes: np.ndarray) -> np.ndarray:
    """Return how often the output of class `classes` [t] is the largest, float64 [t].

    For independent Gaussian outputs of means m and variance v, with Phi the normal distribution function:
        P(class c) = E over z ~ N(0, 1) of prod over j != c of Phi(z + (m_c - m_j) / sqrt(v)),
    by Gauss-Hermite quadrature. Of an ensemble it is the fraction of the networks that say c. Where v is 0 the largest
    mean has all.
    """
    mean, variance = prediction
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    deviation = np.sqrt(variance)[:, None]
    gaps = np.take_along_axis(mean, classes[:, None], axis=1) - mean
    # With no deviation a gap is any number of them, but for the gap of a class to itself.
    gaps = np.divide(gaps, deviation, out=_CERTAIN * np.sign(gaps), where=deviation > 0)
    # The class itself is not among those that its output is to be larger than.
    log_below = np.stack([special.log_ndtr(node + gaps).sum(axis=1) - special.log_ndtr(node) for node in nodes])
    log_mean: Any = special.logsumexp(log_below, axis=0, b=weights[:, None] / np.sqrt(2 * np.pi))
    return np.exp(log_mean)
