"""The labels of given images by which a kernel regression classifies targets best, rather than comes closest to them.

With A = k_ts (k_ss + ridge I)^-1 predictions are A y. Found is the y of least cross-entropy of softmax(A y), which is
convex, with a small ridge on the predictions. A factor on all labels changes no class: they are given the length at
which the predictions come closest to centred one-hot labels, so that a set keeps the scale of any other.
"""

from functools import partial
from itertools import chain

import numpy as np
from scipy import linalg
from scipy.optimize import minimize
from scipy.special import log_softmax

from kerneldistill.algorithms.label_solve import designs_of
from kerneldistill.algorithms.labels import class_probabilities
from kerneldistill.algorithms.least_squares import triangle_of
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.engine import Engine
from kerneldistill.runtime.distributed import collectives

# On the mean square of the logits' coordinates: it ends what separable targets would go on with for ever.
_RIDGE = 1e-4
# Singular values of A below this part of the largest are no direction of their own.
_CUTOFF = 1e-4
_ITERATIONS = 500


def cross_entropy_labels(
    engine: Engine, images: np.ndarray, targets: Targets, ridge: float, flip: bool = False
) -> Support:
    """Find the labels [s, k] of `images` [s, h, w, c] that classify `targets` best.

    flip: the regression is from the mirror images, too, which have the same labels

    Raises:
      UserError: the kernel of the images cannot be inverted.
    """
    size = len(images)
    source = regressed(Support(images, np.zeros((size, 0))), flip).images
    parts = list(chain.from_iterable(designs_of(engine, source, targets, ridge, size)[1]))
    design, labels = (np.concatenate(part) for part in zip(*parts, strict=True)) if parts else _none(size, targets)
    basis = _orthogonal(design, len(targets))
    coordinates, given = design @ basis, class_probabilities(labels)
    shape = size, labels.shape[1]
    found = minimize(
        partial(_loss, coordinates, given, len(targets), shape),
        np.zeros(shape).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS},
    )
    weights = found.x.reshape(shape)
    predictions = coordinates @ weights
    predictions -= predictions.mean(1, keepdims=True)
    closest, square = collectives.all_reduce_sum((float(np.sum(predictions * labels)), float(np.sum(predictions**2))))
    solved = (basis @ weights) * (closest / square if closest > 0 else 1.0)
    return Support(images, collectives.broadcast(solved - solved.mean(1, keepdims=True)))


def _none(size: int, targets: Targets) -> tuple[np.ndarray, np.ndarray]:
    """What a process without a target has."""
    return np.zeros((0, size)), np.zeros((0, targets.num_classes))


def _orthogonal(design: np.ndarray, count: int) -> np.ndarray:
    """The matrix W [s, s] for which the mean square of each column of A W [t, s] is 1."""
    size = design.shape[1]
    triangle = triangle_of(*collectives.all_gather(triangle_of(np.zeros((size, size)), design)))
    _, values, rows = linalg.svd(triangle / np.sqrt(count))
    return collectives.broadcast(rows.T / np.maximum(values, _CUTOFF * values[0]))


def _loss(
    coordinates: np.ndarray, given: np.ndarray, count: int, shape: tuple[int, int], flat: np.ndarray
) -> tuple[float, np.ndarray]:
    """The mean cross-entropy over all processes' targets with the ridge, and its gradient."""
    weights = flat.reshape(shape)
    log_q = log_softmax(coordinates @ weights, axis=1)
    own = -float(np.sum(given * log_q)), coordinates.T @ (np.exp(log_q) - given)
    total, gradient = collectives.all_reduce_sum(own)
    loss = total / count + 0.5 * _RIDGE * float(np.sum(weights * weights))
    return loss, (gradient / count + _RIDGE * weights).ravel()
