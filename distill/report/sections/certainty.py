"""How certain infinitely wide networks are of test images, and whether they are right where they are certain."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.evaluation.infinite_width import Prediction, confidence, nngp_posterior, ntk_ensemble
from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.report.document import Beside, Block, Missing, Paragraph, Section, Strip, Table, Tile
from kerneldistill.report.number_format import percent
from kerneldistill.report.regression import Fit, fit_of
from kerneldistill.report.report_entry import ReportEntry, held, present
from kerneldistill.report.sections.common import missing, named, test_note

SHOWN = 10
BINS = 10
LEAST_IN_BIN = 5

_READING = (
    "A network drawn at random and trained on the set says one class or another; the probability of a class is the "
    "part of such networks that say it. The NTK ensemble is of networks trained by gradient flow (Lee et al. 2019, "
    "1902.06720, corollary 1), the NNGP posterior of networks in Bayesian inference (Lee et al. 2018, 1711.00165). "
    "Calibrated, an image given 80 % is right in 80 % of cases; where the deviation is larger, so should the error be."
)


class Predictor(NamedTuple):
    """One kind of networks on one set.

    name: of the networks
    prediction: of the test images
    confidence: float64 [t] probability of the likeliest class, which is that of the largest mean
    fit: the set
    """

    name: str
    prediction: Prediction
    confidence: np.ndarray
    fit: Fit

    @property
    def right(self) -> np.ndarray:
        """Whether the likeliest class is the true one, bool [t]."""
        return self.prediction.mean.argmax(1) == self.fit.truth


def certainty(entries: Sequence[ReportEntry]) -> Section:
    """Return tables, curves and images of all entries with test images."""
    found = {run: pair for run, entry in enumerate(entries) if len(pair := predictors(entry)) > 0}
    blocks: list[Block] = []
    if found:
        blocks = [Paragraph(_READING), _table(entries, found), Beside(_charts(entries, found))]
    for run, pair in found.items():
        blocks += _strips(run, entries, pair[0])
        if len(pair) < 2:
            what = named(entries[run], entries, f"the networks beside the {pair[0].name}")
            blocks.append(Missing(what, "their kernel of the support cannot be inverted with the run's ridge"))
    lacking = missing(entries, "on_test", "predictive uncertainty")
    return Section("Certainty on test", "certainty", [*blocks, *lacking])


def predictors(entry: ReportEntry) -> tuple[Predictor, ...]:
    """Return NTK ensemble and NNGP posterior, the run's own kernel first, omitting singular kernels."""
    fit, on_test = fit_of(entry), held(entry.on_test)
    if fit is None or on_test is None:
        return ()
    ntk, nngp, own = on_test.ntk, on_test.nngp, on_test.own
    kinds = {
        "ntk": ("NTK ensemble", partial(ntk_ensemble, ntk, nngp, own, fit.labels, fit.ridge)),
        "nngp": ("NNGP posterior", partial(nngp_posterior, nngp, own, fit.labels, fit.ridge)),
    }
    found = []
    for get in sorted(kinds, key=lambda get: get != present(entry.kernel).get):
        name, predict = kinds[get]
        try:
            prediction = predict()
        except NumericalError:
            continue
        found.append(Predictor(name, prediction, confidence(prediction), fit))
    return tuple(found)


def calibration(predictor: Predictor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, accuracy and number of images of ten intervals of confidence, omitting empty ones."""
    bins = np.minimum((predictor.confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    kept = counts > 0
    certain = np.bincount(bins, predictor.confidence, BINS)[kept] / counts[kept]
    return certain, np.bincount(bins, predictor.right, BINS)[kept] / counts[kept], counts[kept]


def calibration_error(predictor: Predictor) -> float:
    """Return mean distance of confidence and accuracy over these intervals, by their images (Naeini et al. 2015)."""
    certain, accuracy, counts = calibration(predictor)
    return float(np.sum(np.abs(certain - accuracy) * counts) / counts.sum())


def error_by_deviation(predictor: Predictor) -> tuple[np.ndarray, np.ndarray]:
    """Return root mean variance and root mean square error of tenths by variance (1711.00165, figure 3)."""
    mean, variance = predictor.prediction
    truth = centred_one_hot(predictor.fit.truth, mean.shape[1])
    squared = np.mean((mean - truth) ** 2, axis=1)
    groups = np.array_split(np.argsort(variance, kind="stable"), min(BINS, len(variance)))
    deviation, error = (np.sqrt([values[group].mean() for group in groups]) for values in (variance, squared))
    return deviation, error


def _table(entries: Sequence[ReportEntry], found: dict[int, tuple[Predictor, ...]]) -> Table:
    rows = [
        (
            named(entries[run], entries, p.name) if len(entries) > 1 else p.name,
            percent(p.fit.accuracy(p.prediction.mean)),
            f"{p.fit.mse(p.prediction.mean):.4f}",
            f"{np.sqrt(p.prediction.variance).mean():.3f}",
            percent(p.confidence.mean()),
            percent(calibration_error(p)),
        )
        for run, pair in found.items()
        for p in pair
    ]
    header = ("networks", "accuracy of mean", "mse of mean", "mean deviation", "mean confidence", "calibration error")
    caption = (
        f"Mean prediction, deviation in units of the labels, probability of the likeliest class; {test_note(entries)}"
    )
    return Table(caption, header, rows)


def _charts(entries: Sequence[ReportEntry], found: dict[int, tuple[Predictor, ...]]) -> list[Block]:
    several = len(entries) > 1
    reliability, errors = [], []
    for run, pair in found.items():
        for index, predictor in enumerate(pair[:1] if several else pair):
            name = entries[run].name if several else predictor.name
            colour, dashed = (run, False) if several else (run + index, index > 0)
            certain, accuracy, counts = calibration(predictor)
            full = counts >= LEAST_IN_BIN
            reliability.append(Line(name, certain[full], accuracy[full], colour, dashed=dashed, dots=True))
            errors.append(Line(name, *error_by_deviation(predictor), colour, dashed=dashed, dots=True))
    low = min((line.x.min() for line in reliability if len(line.x)), default=0.0)
    diagonal = np.array([low, 1.0])
    reliability.append(Line("calibrated", diagonal, diagonal, None, dashed=True))
    return [
        line_chart(
            "calibration",
            f"Accuracy by confidence, {LEAST_IN_BIN} images and more a dot",
            reliability,
            Scales("probability of the likeliest class", "accuracy", percent=True),
        ),
        line_chart(
            "error-by-deviation",
            "Error by deviation, a tenth of the test images a dot",
            errors,
            Scales("predicted standard deviation", "root mean square error"),
        ),
    ]


def _strips(run: int, entries: Sequence[ReportEntry], predictor: Predictor) -> list[Strip]:
    # Equal confidences, such as many of 1, in the order of the images.
    order = np.argsort(-predictor.confidence, kind="stable")
    shown = min(SHOWN, len(order) // 2)
    kinds = {"least": order[::-1][:shown], "most": order[:shown]}
    return [
        Strip(
            f"{kind}-certain-{run + 1}",
            named(entries[run], entries, f"the test images of which the {predictor.name} is {kind} certain"),
            [_tile(entries[run], predictor, int(row)) for row in rows],
        )
        for kind, rows in kinds.items()
    ]


def _tile(entry: ReportEntry, predictor: Predictor, row: int) -> Tile:
    names = present(entry.learned).class_names
    true, said = names[predictor.fit.truth[row]], names[predictor.prediction.mean[row].argmax()]
    certain, right = percent(predictor.confidence[row]), bool(predictor.right[row])
    alt = f"Test image of class {true}, predicted {said} with {certain}"
    lines = [said if right else f"{said}, not {true}", certain]
    return Tile(present(entry.on_test).test_pixels[row], alt, lines, right)
