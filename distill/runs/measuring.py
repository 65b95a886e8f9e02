"""Score a support on test and describe its kernel."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.algorithms.gradient import Solved
from kerneldistill.algorithms.power_law import PowerLaw, spectrum_law
from kerneldistill.algorithms.scoring import evaluate_labels
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.engine import Engine
from kerneldistill.runs.results import Measured

# Eigenvalues of more images take longer than a second.
_MOST_EIGENVALUES = 1500


def measured(
    engine: Engine, images: np.ndarray, labels: Sequence[np.ndarray], test: Targets, ridge: float
) -> list[Measured]:
    """Return the score of images with each of several labels, and the power law of their kernel's eigenvalues.

    Raises:
      UserError: the kernel of the support cannot be inverted.
      KeyboardInterrupt: the process was asked to stop.
    """
    laws: list[PowerLaw | None] = []

    def see(regression: Solved) -> None:
        laws.append(spectrum_law(regression.k_ss) if len(images) <= _MOST_EIGENVALUES else None)

    scores = evaluate_labels(engine, images, labels, test, ridge, seen=see)
    return [Measured(score.accuracy, score.mse, laws[0]) for score in scores]
