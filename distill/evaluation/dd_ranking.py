"""The figures of DD-Ranking (Li et al. 2025, 2505.13300), of mean test accuracies in parts of 1.

    improvement over random    ior = acc(set) - acc(random real images of the same number), by one protocol
    hard label recovery        hlr = acc(whole train split) - acc(set with one-hot labels), smaller is better
    label-robust score         lrs = s(w ior - (1 - w) hlr)
    augmentation-robust score  ars = s(w ior_augmented + (1 - w) ior_plain)
with s(x) = (e^x - 1/e) / (e - 1/e), which maps -1..1 to 0..1, and w = 1/2. NUS-HPC-AI-Lab/DD-Ranking,
ddranking/metrics/hard_label.py 358 to 362 and aug_robust.py 537 to 540. Its accuracies are percents there, of which the
exponential has no such range; its documents have parts of 1, and so has this.
"""

import math

from kerneldistill.evaluation.protocol_result import Toggled, Trained, WholeTrain

# `lrs_lambda` and `ars_lambda` there.
_WEIGHT = 0.5


def improvement_over_random(learned: Trained, random_real: Trained) -> float:
    """The ior of a set."""
    return learned.mean - random_real.mean


def hard_label_recovery(hard: Trained, whole_train: WholeTrain | None) -> float | None:
    """The hlr of a set with one-hot labels; None where the whole train split's figure is not known."""
    return None if whole_train is None else whole_train.accuracy - hard.mean


def label_robust_score(ior: float, hlr: float | None) -> float | None:
    """The lrs; None where hlr is not known."""
    return None if hlr is None else _scaled(_WEIGHT * ior - (1 - _WEIGHT) * hlr)


def augmentation_robust_score(ior: float, toggled: Toggled | None) -> float | None:
    """The ars, of an ior and the one with the augmentation toggled; None where that is not known."""
    if toggled is None:
        return None
    other = improvement_over_random(toggled.learned, toggled.random_real)
    with_augmentation, without = (other, ior) if toggled.augmented else (ior, other)
    return _scaled(_WEIGHT * with_augmentation + (1 - _WEIGHT) * without)


def _scaled(value: float) -> float:
    return (math.exp(value) - math.exp(-1)) / (math.e - math.exp(-1))
