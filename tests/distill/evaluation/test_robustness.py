"""Effective robustness: the line, what lies above it, and what protocols find of shifted test images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.kernel_regression import KernelEvaluation
from kerneldistill.evaluation.linear_networks import LinearEvaluation
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Shifts, Trained
from kerneldistill.evaluation.protocols import Protocol, Recipe
from kerneldistill.evaluation.robustness import robustness, robustness_table
from kerneldistill.evaluation.score_cache import ScoreCache
from kerneldistill.evaluation.trained_networks import NetworkEvaluation
from kerneldistill.pipeline.split import Split
from tests.helpers.evaluation_targets import CLASSES, target
from tests.helpers.protocol_results import protocol_result

SPEC = network_spec("mlp-w6-d1")
PROTOCOL = Protocol(
    "tiny", "a test", Recipe("mse", "momentum", "cosine", 100, steps=((1, 20),)), SPEC.name, (0.1,), (0.0,)
)


def shifted_target() -> EvaluationTarget:
    test = target().test
    shifts = {"far": Split(test.images, (test.labels + 1) % CLASSES), "near": test}
    return target(shifts=shifts, shifted_space="far, near")


def score(accuracy: float, shifted: float) -> SeedScore:
    return SeedScore(0, accuracy, None, None, 1.0, shifted=(shifted,))


def on_the_line(accuracy: float) -> float:
    return float(special.expit(0.8 * special.logit(accuracy) - 0.5))


def judged(own: float, shifted: float) -> ProtocolResult:
    """A set beside random real ones that lie on one line exactly."""
    random_real, ladder = ([score(a, on_the_line(a)) for a in each] for each in ((0.4, 0.5), (0.6, 0.7)))
    return protocol_result(
        learned=Trained((score(own, shifted),)),
        random_real=Trained(tuple(random_real)),
        shifts=Shifts(("noise",), (20, 40), tuple(ladder)),
    )


def test_what_lies_on_the_line_has_none_and_what_lies_above_has_what_it_is_above() -> None:
    (found,) = robustness(judged(0.9, on_the_line(0.9)))
    assert (found.slope, found.offset) == (pytest.approx(0.8), pytest.approx(-0.5))
    assert found.effective == pytest.approx(0, abs=1e-9)
    (found,) = robustness(judged(0.9, on_the_line(0.9) + 0.05))
    assert found.effective == pytest.approx(0.05)
    _, header, ((*cells,),) = robustness_table([judged(0.9, on_the_line(0.9) + 0.05)])
    assert len(cells) == len(header)
    assert cells[1] == "noise"
    assert cells[-1] == "+5.0"


def test_accuracies_of_0_and_1_are_taken_as_half_an_image_away() -> None:
    (found,) = robustness(judged(1.0, 1.0))
    assert np.isfinite(found.effective)
    assert found.expected(1.0) == pytest.approx(on_the_line(1 - 0.5 / 450))


def test_without_shifts_or_a_line_there_is_nothing() -> None:
    assert robustness(protocol_result()) == []
    one = judged(0.9, 0.8)
    same = Trained((score(0.5, 0.4), score(0.5, 0.3)))
    assert robustness(replace(one, random_real=same, shifts=Shifts(("noise",), (20,), (score(0.5, 0.45),)))) == []


def test_regression_is_tested_on_every_shift(tmp_path: Path) -> None:
    what = shifted_target()
    found = KernelEvaluation(what, ScoreCache(tmp_path), what.kernel).result(range(2))
    engine = engine_of(what.kernel, what.image_shape)
    wanted = [
        evaluate(engine, what.support, Targets(engine, each, CLASSES), what.ridge).accuracy
        for each in what.shifts.values()
    ]
    assert list(found.learned.scores[0].shifted) == wanted
    assert wanted[1] == found.learned.scores[0].accuracy
    assert found.shifts.names == ("far", "near")
    assert found.shifts.sizes == (6, 12, 24)
    assert [len(each.shifted) for each in found.shifts.ladder] == [2, 2, 2]
    plain = KernelEvaluation(target(), ScoreCache(tmp_path), what.kernel).result(range(2))
    assert plain.shifts is None
    assert plain.learned.scores[0].shifted == ()  # kept apart from what was tested on shifts


@pytest.mark.parametrize("kind", ["linear", "trained"])
def test_networks_are_tested_on_every_shift(tmp_path: Path, kind: str) -> None:
    what, cache = shifted_target(), ScoreCache(tmp_path)
    if kind == "linear":
        evaluation = LinearEvaluation(what, cache, SPEC)
    else:
        evaluation = NetworkEvaluation(what, cache, PROTOCOL, SPEC, cache)
    found = evaluation.result(range(1))
    for one in (*found.learned.scores, *found.random_real.scores, *found.shifts.ladder):
        assert one.shifted[1] == one.accuracy
        assert one.shifted[0] <= 1 - one.accuracy + 1e-9  # its labels are others
    assert (evaluation.pace.done, evaluation.pace.total) == (5, 5)
    assert type(evaluation)(*(getattr(evaluation, name) for name in _fields(kind))).result(range(1)) == found


def _fields(kind: str) -> tuple[str, ...]:
    return ("target", "cache", "spec") if kind == "linear" else ("target", "cache", "protocol", "spec", "shared")


def test_a_ladder_is_as_long_as_train_has_images() -> None:
    what = shifted_target()
    twelve = Support(np.zeros((12, 4, 4, 1)), np.zeros((12, 3)))
    assert what._replace(support=twelve).ladder_sizes == (24,)
    assert target().ladder_sizes == ()
