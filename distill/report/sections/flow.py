"""How an infinitely wide network's prediction of the test images grows while it trains on the set."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kerneldistill.report.charts import Scales, line_chart
from kerneldistill.report.document import Beside, Block, Paragraph, Section
from kerneldistill.report.regression import Fit
from kerneldistill.report.report_entry import ReportEntry
from kerneldistill.report.sections.common import both_lines, missing, test_note

TIMES = 60

_READING = (
    "Gradient flow of the squared loss from random weights, in closed form (Lee et al. 2019, 1902.06720, eq. 10): the "
    "mean output over all initial weights. Time 1 is the time constant of a mode of mean eigenvalue; the flow ends, "
    "far to the right, at kernel ridge regression. With an NNGP the last layer alone is trained."
)


def flow(entries: Sequence[ReportEntry]) -> Section:
    """Accuracy and error on test images against time."""
    accuracy = both_lines(entries, accuracy_in_time)
    blocks: list[Block] = []
    if accuracy:
        time = "time \N{MULTIPLICATION SIGN} mean eigenvalue"
        blocks = [
            Paragraph(f"{_READING} Figures are of {test_note(entries)}."),
            Beside(
                [
                    line_chart(
                        "flow-accuracy",
                        "Accuracy while training",
                        accuracy,
                        Scales(time, "test accuracy", log_x=True, percent=True),
                    ),
                    line_chart(
                        "flow-mse",
                        "Error while training",
                        both_lines(entries, mse_in_time),
                        Scales(time, "test mse", log_x=True, log_y=True),
                    ),
                ]
            ),
        ]
    return Section("Training in time", "flow", [*blocks, *missing(entries, "on_test", "the gradient flow")])


def times(fit: Fit) -> np.ndarray:
    """When it is looked at: from before the fastest mode moves until after the slowest is done, 1 / eigenvalue."""
    rates = fit.flow.rates
    return np.geomspace(0.05 / rates[-1], 10 / rates[0], TIMES)


class Course(NamedTuple):
    """A training. times: in units of 1 / mean eigenvalue. accuracy, mse: of the mean output at each."""

    times: np.ndarray
    accuracy: np.ndarray
    mse: np.ndarray


@lru_cache(maxsize=64)
def course(fit: Fit) -> Course:
    """Return the training on a support, from the untrained networks' mean of 0 to kernel ridge regression."""
    when = times(fit)
    outputs = [fit.flow.mean(fit.blocks.ts, fit.labels, float(time)) for time in when]
    accuracy, mse = (np.array([score(output) for output in outputs]) for score in (fit.accuracy, fit.mse))
    return Course(when * fit.flow.rates.mean(), accuracy, mse)


def accuracy_in_time(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Return times in units of the mean eigenvalue, and the mean output's accuracy."""
    return course(fit).times, course(fit).accuracy


def mse_in_time(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Return times in units of the mean eigenvalue, and the mean output's error."""
    return course(fit).times, course(fit).mse
