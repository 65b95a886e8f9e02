"""DD-Ranking's figures of given accuracies."""

import math

import pytest

from kerneldistill.evaluation.dd_ranking import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)
from kerneldistill.evaluation.protocol_result import Toggled, WholeTrain
from tests.helpers.protocol_results import trained


def test_the_two_differences() -> None:
    assert improvement_over_random(trained(0.6, 0.7), trained(0.4, 0.5)) == pytest.approx(0.2)
    assert hard_label_recovery(trained(0.5, 0.6), WholeTrain(0.85, "x")) == pytest.approx(0.3)
    assert hard_label_recovery(trained(0.5, 0.6), None) is None


def score(value: float) -> float:
    return (math.exp(value) - math.exp(-1)) / (math.exp(1) - math.exp(-1))


def test_the_label_robust_score_is_the_mean_over_seeds() -> None:
    """As soft_label.py: alpha = lambda ior - (1 - lambda) hlr, lrs = (e^alpha - e^-1) / (e - e^-1), for each seed."""
    sets, whole = (trained(0.6, 0.9), trained(0.4, 0.5)), WholeTrain(0.85, "x")
    theirs = (score(0.5 * 0.2 - 0.5 * 0.3) + score(0.5 * 0.4 - 0.5 * 0.15)) / 2
    assert label_robust_score(*sets, trained(0.55, 0.7), whole) == pytest.approx(theirs)
    for accuracy, truth in ((1.0, 1.0), (0.0, 0.0)):
        other, whole = trained(1 - accuracy), WholeTrain(1 - accuracy, "x")
        assert label_robust_score(trained(accuracy), other, trained(accuracy), whole) == pytest.approx(truth)
    assert label_robust_score(*sets, trained(0.5, 0.6), None) is None
    # Regressed once, beside several draws of random images.
    theirs = (score(0.5 * 0.2 - 0.5 * 0.25) + score(0.5 * 0.1 - 0.5 * 0.25)) / 2
    assert label_robust_score(trained(0.6), sets[1], trained(0.6), WholeTrain(0.85, "x")) == pytest.approx(theirs)


@pytest.mark.parametrize("augmented", [True, False])
def test_the_augmentation_robust_score_weighs_both_alike(augmented: bool) -> None:
    sets, toggled = (trained(0.7, 0.8), trained(0.4, 0.3)), Toggled(trained(0.5, 0.6), trained(0.4, 0.2), augmented)
    theirs = (score(0.5 * 0.1 + 0.5 * 0.3) + score(0.5 * 0.4 + 0.5 * 0.5)) / 2
    assert augmentation_robust_score(*sets, toggled) == pytest.approx(theirs)
    assert augmentation_robust_score(*sets, None) is None
