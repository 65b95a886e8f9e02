"""The protocol krr: the scores of `scoring`, for the set, its hard labels, random images and all of train."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.ensemble import views
from kerneldistill.algorithms.scoring import evaluate, random_support
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.evaluation import kernel_regression as module
from kerneldistill.evaluation.kernel_regression import KernelEvaluation
from kerneldistill.evaluation.score_cache import ScoreCache
from tests.helpers.evaluation_targets import CLASSES, SHAPE, target

SOFT = target()._replace(support=Support(target().support.images, target().support.labels * 0.7 + 0.02), ridge=1e-3)


def test_scores_are_those_of_an_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(SOFT.kernel, SHAPE)
    test = Targets(engine, SOFT.test, CLASSES)
    result = KernelEvaluation(SOFT, ScoreCache(tmp_path), SOFT.kernel).result(range(2), measure_whole=True)

    def directly(support: Support) -> float:
        return evaluate(engine, support, test, 1e-3).accuracy

    assert result.learned.accuracies == (directly(SOFT.support),)
    assert result.learned.scores[0].mse == evaluate(engine, SOFT.support, test, 1e-3).mse
    assert result.hard.accuracies == (directly(SOFT.hard()),)
    draws = [random_support(SOFT.train, CLASSES, 3, seed=7, draw=draw, dtype=engine.dtype) for draw in range(2)]
    assert result.random_real.accuracies == tuple(map(directly, draws))
    assert result.whole_train.accuracy == directly(SOFT.whole_train())
    assert result.hlr == result.whole_train.accuracy - result.hard.mean
    assert (result.protocol, result.network) == ("krr", "fc d1 ntk")
    # What is finished is not computed again.
    monkeypatch.setattr(module, "evaluate", lambda *given: pytest.fail("computed again"))
    again = KernelEvaluation(SOFT, ScoreCache(tmp_path), SOFT.kernel).result(range(2), measure_whole=True)
    assert again == result
    assert result.seconds == pytest.approx(
        sum(s.seconds for s in (*result.learned.scores, *result.hard.scores))
        + sum(s.seconds for s in result.random_real.scores)
        + result.whole_train.seconds
    )


@pytest.mark.slow
def test_a_flipped_run_is_judged_flipped(tmp_path: Path) -> None:
    engine = engine_of(SOFT.kernel, SHAPE)
    truth = evaluate(engine, regressed(SOFT.support, True), Targets(engine, SOFT.test, CLASSES), 1e-3)
    flipped = KernelEvaluation(SOFT._replace(flip=True), ScoreCache(tmp_path), SOFT.kernel)
    found = flipped.result(range(1), measure_whole=False)
    assert found.learned.scores[0].mse == truth.mse
    assert found.whole_train is None


def test_views_are_told_by_name_and_kept_apart(tmp_path: Path) -> None:
    engine = engine_of(SOFT.kernel, SHAPE)
    truth = evaluate(engine, SOFT.support, Targets(engine, SOFT.test, CLASSES), 1e-3, views(("flip", "shift")))
    cache = ScoreCache(tmp_path)
    plain = KernelEvaluation(SOFT, cache, SOFT.kernel).result(range(1))
    found = KernelEvaluation(SOFT, cache, SOFT.kernel, ("flip", "shift")).result(range(1))
    assert found.learned.scores[0].mse == truth.mse != plain.learned.scores[0].mse
    assert (found.network, plain.network) == ("fc d1 ntk +flip +shift", "fc d1 ntk")


def test_large_train_splits_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WHOLE", 29)
    hard = SOFT._replace(support=SOFT.hard())
    found = KernelEvaluation(hard, ScoreCache(tmp_path), SOFT.kernel).result(range(1), measure_whole=True)
    assert (found.whole_train, found.hlr, found.hard) == (None, None, None)
    assert np.isfinite(found.ior)


def test_kernels_are_named() -> None:
    assert kernel_name(SOFT.kernel) == "fc d1 ntk"
    assert kernel_name(replace(SOFT.kernel, activation="erf", get="nngp")) == "fc d1 activation=erf nngp"
