"""The figures of DD-Ranking (Li et al. 2025, 2505.13300), of test accuracies in parts of 1.

    improvement over random    ior = acc(set) - acc(random real images of the same number), by one protocol
    hard label recovery        hlr = acc(whole train split) - acc(set with one-hot labels), smaller is better
    label-robust score         lrs = mean of s(w ior - (1 - w) hlr) over the seeds
    augmentation-robust score  ars = mean of s(w ior_augmented + (1 - w) ior_plain) over the seeds
with s(x) = (e^x - 1/e) / (e - 1/e), which maps -1..1 to 0..1, and w = 1/2. ddranking 0.2.0, metrics/soft_label.py lines
561 to 568 and aug_robust.py 577 to 580. Its accuracies are percents there, of which the exponential has no such range;
its documents have parts of 1, and so has this.
"""

import math

import numpy as np

from kerneldistill.evaluation.protocol_result import Toggled, Trained, WholeTrain

# `lrs_lambda` and `ars_lambda` there.
_WEIGHT = 0.5


def improvement_over_random(learned: Trained, random_real: Trained) -> float:
    """The ior of a set."""
    return learned.mean - random_real.mean


def hard_label_recovery(hard: Trained, whole_train: WholeTrain | None) -> float | None:
    """The hlr of a set with one-hot labels; None where the whole train split's figure is not known."""
    return None if whole_train is None else whole_train.accuracy - hard.mean


def label_robust_score(
    learned: Trained, random_real: Trained, hard: Trained, whole_train: WholeTrain | None
) -> float | None:
    """The lrs of a set, and of it with one-hot labels; None where the whole train split's figure is not known."""
    if whole_train is None:
        return None
    recovery = whole_train.accuracy - np.array(hard.accuracies)
    return _mean_score(_WEIGHT * _improvements(learned, random_real) - (1 - _WEIGHT) * recovery)


def augmentation_robust_score(learned: Trained, random_real: Trained, toggled: Toggled | None) -> float | None:
    """The ars of a set, and of it with the augmentation toggled; None where that is not known."""
    if toggled is None:
        return None
    own, other = _improvements(learned, random_real), _improvements(toggled.learned, toggled.random_real)
    with_augmentation, without = (other, own) if toggled.augmented else (own, other)
    return _mean_score(_WEIGHT * with_augmentation + (1 - _WEIGHT) * without)


def _improvements(learned: Trained, random_real: Trained) -> np.ndarray:
    """The ior of each seed; what is regressed from a set is one for all seeds."""
    return np.array(learned.accuracies) - np.array(random_real.accuracies)


def _mean_score(values: np.ndarray) -> float:
    return float(np.mean((np.exp(values) - math.exp(-1)) / (math.e - math.exp(-1))))
