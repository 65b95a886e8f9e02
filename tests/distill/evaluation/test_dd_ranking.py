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


def test_the_label_robust_score_is_theirs() -> None:
    """As hard_label.py: alpha = lambda ior - (1 - lambda) hlr, lrs = (e^alpha - e^-1) / (e - e^-1)."""
    alpha = 0.5 * 0.2 - 0.5 * 0.3
    theirs = (math.exp(alpha) - math.exp(-1)) / (math.exp(1) - math.exp(-1))
    assert label_robust_score(0.2, 0.3) == pytest.approx(theirs)
    assert (label_robust_score(1.0, -1.0), label_robust_score(-1.0, 1.0)) == pytest.approx((1.0, 0.0))
    assert label_robust_score(0.2, None) is None


@pytest.mark.parametrize("augmented", [True, False])
def test_the_augmentation_robust_score_weighs_both_alike(augmented: bool) -> None:
    toggled = Toggled(trained(0.5), trained(0.4), augmented)
    theirs = (math.exp(0.5 * 0.1 + 0.5 * 0.3) - math.exp(-1)) / (math.exp(1) - math.exp(-1))
    assert augmentation_robust_score(0.3, toggled) == pytest.approx(theirs)
    assert augmentation_robust_score(0.3, None) is None
