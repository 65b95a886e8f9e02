"""The labels of a set that has been learned, fitted once more to many training images, where they are learned."""

from kerneldistill.algorithms.cross_entropy_labels import cross_entropy_labels
from kerneldistill.algorithms.label_solve import label_solve
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import regressed
from kerneldistill.config.schema import Config
from kerneldistill.pipeline import Prepared
from kerneldistill.runs.bring_up import drawn_targets
from kerneldistill.runs.training.loop import Best
from kerneldistill.runtime.console import tell
from kerneldistill.runtime.text import percent

_SOLVERS = {"mse": label_solve, "cross_entropy": cross_entropy_labels}


def with_labels_refitted(config: Config, data: Prepared, problem: Problem, best: Best) -> Best:
    """Fit the labels of the best set anew as `support.refit` says; of both keep what classifies validation better.

    Raises:
      UserError: the kernel of the images cannot be inverted.
    """
    support = config.support
    if support.refit == "none" or not support.learn_labels:
        return best
    targets = drawn_targets(config, data, support.refit_targets, draw=1)
    found = _SOLVERS[support.refit](targets.engine, best.support.images, targets, best.ridge, support.flip)
    if not len(problem.validation):
        return best._replace(support=found)
    score = evaluate(problem.engine, regressed(found, support.flip), problem.validation, best.ridge)
    better = score.accuracy >= best.score.accuracy
    tell(
        f"labels refitted by {support.refit.replace('_', '-')} to {len(targets):,} targets: validation "
        f"{percent(score.accuracy)}, before {percent(best.score.accuracy)}: {'kept' if better else 'left as they were'}"
    )
    return best._replace(support=found, score=score) if better else best
