"""Studies: what finite networks do while they train on a set, by gradient descent on all of it at once.

What is found, as it is kept and shown. `rate_study` and `curve_study` find it.
"""

from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType
from typing import Literal

from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import NetworkSpec, network_spec

Parameterization = Literal["standard", "mu"]
# How a training ended. diverged: not finite, or above where it began. catapult: below, but its loss first rose.
Outcome = Literal["stable", "catapult", "diverged"]

RATES = "rates"
CURVES = "curves"
# The networks of each, where none are named.
STUDIES = MappingProxyType({RATES: ("mlp",), CURVES: ("mlp", "mlp-w1024")})


@dataclass(frozen=True)
class RateTrial:
    """A network trained at one learning rate.

    factor: of the largest stable rate of the narrow network
    rate: learning rate
    seed: of its first weights
    first, highest, last: half mean square on the set, before the first step, at its highest, at the end; None for what
      is not finite
    validation: half mean square on validation images; None without any, or where the network did not stay finite
    accuracy: on test; None where the network did not stay finite
    outcome: how it ended
    """

    factor: float
    rate: float
    seed: int
    first: float
    highest: float | None
    last: float | None
    validation: float | None
    accuracy: float | None
    outcome: Outcome


@dataclass(frozen=True)
class RateSeries:
    """Networks of one width in one parameterisation.

    width: of the hidden layers
    parameterization: how first weights and rates of each layer follow the width; in the narrow network both are one
    stable_rates: the largest stable rate of each seed, 2 n k / largest eigenvalue of the NTK of n images and k outputs
    trials: of each factor and seed
    """

    width: int
    parameterization: Parameterization
    stable_rates: tuple[float, ...]
    trials: tuple[RateTrial, ...]

    def of(self, factor: float) -> tuple[RateTrial, ...]:
        """Return the trials of a factor."""
        return tuple(trial for trial in self.trials if trial.factor == factor)

    def error(self, factor: float) -> float:
        """Return the mean error on validation, the mean loss where there is none; infinity where one diverged."""
        trials = self.of(factor)
        errors = [trial.last if trial.validation is None else trial.validation for trial in trials]
        known = [error for error in errors if error is not None]
        diverged = any(trial.outcome == "diverged" for trial in trials) or len(known) < len(trials)
        return float("inf") if diverged else fmean(known)


@dataclass(frozen=True)
class RateStudy:
    """Learning rates found at one width, used at another.

    network: name of the narrow one
    support_sha256: digest of the set
    steps: of each training
    series: the narrow networks, the wide ones in the standard parameterisation, the wide ones in mu
    seconds: it took
    """

    network: str
    support_sha256: str
    steps: int
    series: tuple[RateSeries, ...]
    seconds: float

    @property
    def factors(self) -> tuple[float, ...]:
        """Of the rates tried."""
        return tuple(dict.fromkeys(trial.factor for trial in self.series[0].trials))

    @property
    def best(self) -> float:
        """The factor by which the narrow networks do best on validation."""
        return min(self.factors, key=self.series[0].error)


@dataclass(frozen=True)
class Curve:
    """A training, looked at now and then. accuracies: on test, 0..1. errors: half mean square on test."""

    accuracies: tuple[float, ...]
    errors: tuple[float, ...]


@dataclass(frozen=True)
class CurveStudy:
    """A network's training beside that of its linearisation at the first weights.

    network: its name
    support_sha256: digest of the set
    seed: of the first weights
    rate: learning rate
    steps: at which it is looked at, the first 0
    real: the network
    linear: the network linearised at its first weights, from there by the same steps
    seconds: it took
    """

    network: str
    support_sha256: str
    seed: int
    rate: float
    steps: tuple[int, ...]
    real: Curve
    linear: Curve
    seconds: float


@dataclass(frozen=True)
class Studies:
    """What studies found of one set. rates, curves: of each network."""

    rates: tuple[RateStudy, ...] = ()
    curves: tuple[CurveStudy, ...] = ()


NO_STUDIES = Studies()


def check_study(name: str) -> None:
    """Raise UserError unless there is a study of that name."""
    if name not in STUDIES:
        raise UserError(f"--study has {name!r}, allowed are: {', '.join(STUDIES)}")


def studied(study: str, asked: tuple[NetworkSpec, ...]) -> tuple[NetworkSpec, ...]:
    """Return the networks of a study: those asked for, or its own.

    Raises:
      UserError: one cannot be studied.
    """
    specs = asked or tuple(map(network_spec, STUDIES[study]))
    for spec in specs:
        if spec.norm == "batch":
            raise UserError(
                f"--networks has {spec.name}, whose batch normalisation makes images depend on each other: name mlp or "
                f"convnet-instance for --study {study}"
            )
        if study == RATES and spec.family == "vit":
            raise UserError(
                f"--networks has {spec.name}, whose attention has no mu-parameterisation here: name mlp or convnet for "
                f"--study {study}"
            )
    return specs
