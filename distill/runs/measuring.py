"""Score a support on test and describe its kernel."""

from kerneldistill.algorithms.gradient import Solved
from kerneldistill.algorithms.power_law import PowerLaw, spectrum_law
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.engine import Engine
from kerneldistill.runs.results import Measured

# Eigenvalues of more images take longer than a second.
_MOST_EIGENVALUES = 1500


def measured(engine: Engine, source: Support, test: Targets, ridge: float) -> Measured:
    """Return the score of a support and the power law of its kernel's eigenvalues.

    Raises:
      UserError: the kernel of the support cannot be inverted.
      KeyboardInterrupt: the process was asked to stop.
    """
    laws: list[PowerLaw | None] = []

    def see(regression: Solved) -> None:
        laws.append(spectrum_law(regression.k_ss) if len(source.images) <= _MOST_EIGENVALUES else None)

    score = evaluate(engine, source, test, ridge, seen=see)
    return Measured(score.accuracy, score.mse, laws[0])
