"""What studies found, in words and rows, for the terminal and for reports."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.evaluation.studies import CurveStudy, RateSeries, RateStudy, RateTrial
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.text import percent

_FITTED = 1e-8

Rows = tuple[tuple[str, ...], ...]


def rate_table(study: RateStudy) -> tuple[str, tuple[str, ...], Rows]:
    """Title, header and rows: a row for each rate, a column for each kind of network."""
    seeds = len(study.series[0].stable_rates)
    title = (
        f"gradient descent on the whole set, {study.steps} steps of {study.network}: loss at the end, test accuracy, "
        f"mean of {seeds} seeds; rates are parts of the largest stable one at width {study.series[0].width}; "
        f"it took {duration(study.seconds)}"
    )
    header = ("rate", *(_name(series) for series in study.series))
    rows = [(f"{factor:g}", *(_cell(series.of(factor)) for series in study.series)) for factor in study.factors]
    rows.append(("largest stable", *(f"{np.mean(series.stable_rates):.3g}" for series in study.series)))
    return title, header, tuple(rows)


def rate_words(study: RateStudy) -> str:
    """Say what becomes of the best rate of the narrow network in the wide ones."""
    narrow, standard, mu = study.series
    trials = narrow.of(study.best)
    rate = np.mean([trial.rate for trial in trials])
    return (
        f"{study.network}: the rate that is best on validation at width {narrow.width}, {rate:.3g} ({study.best:g} "
        f"of the largest stable), ends there at {_cell(trials)}; at width {standard.width} in the standard "
        f"parameterisation {_cell(standard.of(study.best))}, in mu {_cell(mu.of(study.best))}"
    )


def curve_table(studies: Sequence[CurveStudy]) -> tuple[str, tuple[str, ...], Rows]:
    """Title, header and rows: a row for each network."""
    title = "gradient descent on the whole set, and by the network linearised at its first weights: test accuracy, mse"
    header = ("network", "steps", "rate", "accuracy", "linearised", "mse", "linearised", "farthest apart", "took")
    return title, header, tuple(_curve_row(study) for study in studies)


def _curve_row(study: CurveStudy) -> tuple[str, ...]:
    apart = np.abs(np.subtract(study.real.accuracies, study.linear.accuracies)).max()
    return (
        study.network,
        f"{study.steps[-1]:,}",
        f"{study.rate:.3g}",
        percent(study.real.accuracies[-1]),
        percent(study.linear.accuracies[-1]),
        f"{study.real.errors[-1]:.4f}",
        f"{study.linear.errors[-1]:.4f}",
        f"{100 * apart:.1f} points",
        duration(study.seconds),
    )


def _name(series: RateSeries) -> str:
    return f"width {series.width}, {series.parameterization}"


def _cell(trials: Sequence[RateTrial]) -> str:
    """What became of some trainings at one rate."""
    diverged = sum(trial.outcome == "diverged" for trial in trials)
    if diverged == len(trials):
        return "diverged"
    if diverged:
        return f"diverged in {diverged} of {len(trials)}"
    loss = np.mean([trial.last for trial in trials if trial.last is not None])
    accuracy = np.mean([trial.accuracy for trial in trials if trial.accuracy is not None])
    rose = sum(trial.outcome == "catapult" for trial in trials)
    # Below is rounding of float32.
    fitted = f"{loss:.2g}" if loss >= _FITTED else f"<{_FITTED:g}"
    return f"{fitted}, {percent(float(accuracy))}{f', catapult {rose} of {len(trials)}' if rose else ''}"
