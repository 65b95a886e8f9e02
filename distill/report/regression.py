"""Kernel ridge regression of test images from kept kernels: what several sections look at."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.numerical_error import NumericalError
from kerneldistill.evaluation.infinite_width import Blocks, GradientFlow
from kerneldistill.report.report_entry import ReportEntry, held, present


@dataclass(frozen=True, eq=False)
class Fit:
    """A support under its run's kernel.

    name: of the support: learned, start, ...
    blocks: of the kernel, float64
    labels: float64 [s, k] of the support
    ridge: relative to the mean diagonal
    truth: int [t] class of each test image
    """

    name: str
    blocks: Blocks
    labels: np.ndarray
    ridge: float
    truth: np.ndarray

    @cached_property
    def flow(self) -> GradientFlow:
        """Training on the support."""
        return GradientFlow(self.blocks.ss, self.ridge)

    @cached_property
    def regressed(self) -> np.ndarray:
        """Predictions [t, k] of kernel ridge regression."""
        return self.flow.mean(self.blocks.ts, self.labels, np.inf)

    def accuracy(self, predictions: np.ndarray) -> float:
        """Part of the test images whose largest of `predictions` [t, k] is their class."""
        return float(np.mean(predictions.argmax(1) == self.truth))

    def mse(self, predictions: np.ndarray) -> float:
        """1/2 mean square over images and classes of what `predictions` [t, k] lack to the centred labels."""
        return half_mse(predictions, centred_one_hot(self.truth, predictions.shape[1])).total / predictions.size


# Several sections ask for the same fit, whose eigenvectors are what a report spends its time on.
@lru_cache(maxsize=64)
def fit_of(entry: ReportEntry) -> Fit | None:
    """Return the chosen support of an entry with kernels on test images; None without them."""
    on_test, learned, kernel = held(entry.on_test), held(entry.learned), held(entry.kernel)
    if on_test is None or learned is None or kernel is None:
        return None
    name = "solved labels" if learned.label_mode == "label_solve" else "learned"
    blocks = on_test.ntk if kernel.get == "ntk" else on_test.nngp
    return Fit(name, blocks, learned.labels, present(entry.ridge), on_test.test_labels)


@lru_cache(maxsize=64)
def fit_of_start(entry: ReportEntry) -> Fit | None:
    """Return the real images a support began as, likewise; None too if not known, or singular with the ridge."""
    on_test, learned = held(entry.on_test), held(entry.learned)
    if on_test is None or learned is None or not on_test.knows_start:
        return None
    name = "one-hot labels" if learned.label_mode == "label_solve" else "start"
    start = Fit(name, on_test.start, on_test.start_labels, present(entry.ridge), on_test.test_labels)
    return start if fault_of(start) is None else None


def fault_of(fit: Fit) -> str | None:
    """Return why the kernel of a support cannot be inverted; None if it can."""
    try:
        fit.flow.rates  # noqa: B018 - computed when it is first asked for
    except NumericalError as fault:
        return str(fault)
    return None
