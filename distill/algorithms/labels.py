"""Centred labels, the only kind that is regressed: probabilities of k classes minus 1/k, so that their mean is 0.

Everything in `algorithms`, every support and every bundle holds centred labels, float [n, k]: one-hot ones, learned
ones, and those that Label Solve finds. (KIP's reference code of 2011.00050.) What needs probabilities, such as a
cross-entropy, takes `class_probabilities` of them. A learned label is centred too, though it may be no probability.
"""

import numpy as np


def centred_one_hot(class_ids: np.ndarray, num_classes: int) -> np.ndarray:
    """The centred labels float64 [n, k] of classes [n]."""
    labels = np.full((len(class_ids), num_classes), -1 / num_classes)
    labels[np.arange(len(class_ids)), class_ids] = 1 - 1 / num_classes
    return labels


def centred(probabilities: np.ndarray) -> np.ndarray:
    """The centred labels of probabilities [n, k]."""
    return probabilities - 1 / probabilities.shape[1]


def class_probabilities(labels: np.ndarray) -> np.ndarray:
    """The probabilities [n, k] that centred labels stand for; of learned ones their sum may not be 1."""
    return labels + 1 / labels.shape[1]
