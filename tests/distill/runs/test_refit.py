"""When a run's steps are done its labels may be fitted once more, and the better on validation is handed out."""

from dataclasses import replace

import numpy as np
import pytest

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.scoring import Score, evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.runs.refit import with_labels_refitted
from kerneldistill.runs.training.loop import Best
from tests.distill.runs.test_bring_up import config_of, data_of, learned_like


def _problem(loss: str, data: Prepared) -> Problem:
    base = config_of()
    config = replace(base, support=replace(base.support, refit=loss, refit_targets=120))
    engine = engine_of(config.kernel, (8, 8, 3))
    start = Support(learned_like(data).astype(np.float64), np.zeros((6, 3)))
    own = [Targets(engine, split, 3) for split in (data.train, data.validation)]
    return Problem(config, engine, start, *own)


def _best(problem: Problem, accuracy: float = 0.0) -> Best:
    return Best(problem.start, 7, Score(accuracy, 1.0), 1e-6, averaged=True)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_labels_that_classify_validation_better_are_kept(loss, capsys):
    data = data_of("standard", 8)
    problem = _problem(loss, data)
    found = with_labels_refitted(problem.config, data, problem, _best(problem))
    assert found.score == evaluate(problem.engine, found.support, problem.validation, 1e-6)
    assert found.score.accuracy > 0.5
    assert (found.step, found.averaged) == (7, True)
    assert np.array_equal(found.support.images, problem.start.images)
    assert f"labels refitted by {loss.replace('_', '-')} to 120 targets" in capsys.readouterr().err


def test_labels_that_do_not_are_left():
    data = data_of("standard", 8)
    problem = _problem("mse", data)
    best = _best(problem, accuracy=1.1)
    assert with_labels_refitted(problem.config, data, problem, best) is best


def test_none_and_fixed_labels_cost_nothing():
    data = data_of("standard", 8)
    problem = _problem("none", data)
    best = _best(problem)
    assert with_labels_refitted(problem.config, data, problem, best) is best
    fixed = replace(problem.config.support, refit="mse", learn_labels=False)
    assert with_labels_refitted(replace(problem.config, support=fixed), data, problem, best) is best


def test_without_validation_they_are_kept_unseen():
    data = data_of("standard", 8)
    problem = _problem("mse", data)
    none = Split(data.train.images[:0], data.train.labels[:0])
    problem = problem._replace(validation=Targets(problem.engine, none, 3))
    found = with_labels_refitted(problem.config, data, problem, _best(problem))
    assert np.abs(found.support.labels).max() > 0
