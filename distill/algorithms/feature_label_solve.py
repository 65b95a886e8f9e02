"""Label Solve on features: the best labels of any number of images, from one pass over the targets.

Predictions are phi_t M y with M [D, s] of `FeatureRegression.design`: targets count by the D x D triangle R of their
features [t, D] and by Z = Q^T y_t [D, k] alone, which a sequential TSQR updates chunk by chunk (as stable as one QR;
normal equations would square the condition number). Then min |R M y - Z| is solved. With more images than features y is
sought where M sees it, in the row space of M, by a QR of its transpose: the least-norm solution, as everywhere here.
Its cost is t D (D + k) + s D^2: 50,000 images in the support take a QR of 50,000 x D, and no 50,000 x 50,000 kernel.
"""

from typing import Any

import numpy as np
from scipy import linalg

from kerneldistill.algorithms.feature_fit import feature_regression
from kerneldistill.algorithms.krr import factored
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll, polled


def feature_label_solve(
    engine: FeatureEngine, images: np.ndarray, targets: Targets, ridge: float, size: int
) -> np.ndarray:
    """The labels [size, k] of `images` that predict `targets` best; image i shares its label with image size + i.

    Raises:
      UserError: the regression from the images cannot be solved.
    """
    poll("labels", id(engine), len(images))
    regression = factored(feature_regression(engine, images, ridge))
    triangle, projected = _triangle(engine, targets, len(images))
    design = regression.design()
    design = design.reshape(len(design), -1, size).sum(1)
    # A direction in which it is but the rounding of the solve is none: labels there would be 1e10.
    cutoff = regression.rounding
    if size <= len(design):
        found: Any = linalg.lstsq(triangle @ design, projected, cond=cutoff)
        return collectives.broadcast(found[0])
    factors: Any = linalg.qr(design.T, mode="economic", overwrite_a=True)
    basis, rows = factors
    found = linalg.lstsq(triangle @ rows.T, projected, cond=cutoff)
    return collectives.broadcast(basis @ found[0])


def _triangle(engine: FeatureEngine, targets: Targets, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """R [D, D] and Z [D, k] of all processes' targets: the parts of their features and labels that a fit depends on."""
    size, bias = engine.size + 1, engine.kernel.b_std
    triangle, projected = np.zeros((size, size)), np.zeros((size, targets.num_classes))
    for chunk in polled(targets.chunks(rows), "labels from a chunk", id(engine), rows):
        values: Any = chunk.features
        own = values.values[: len(chunk.labels)].astype(np.float64)
        own = np.concatenate([own, np.full((len(own), 1), bias)], axis=1)
        triangle, projected = _stacked((triangle, own), (projected, chunk.labels))
    return _stacked(tuple(collectives.all_gather(triangle)), tuple(collectives.all_gather(projected)))


def _stacked(left: tuple[np.ndarray, ...], right: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """R and Q^T right of parts of a matrix, one under the other, and of what stands to the right of them."""
    found: Any = linalg.qr_multiply(np.concatenate(left), np.concatenate(right).T, mode="right", overwrite_a=True)
    projected, triangle = found
    return triangle, projected.T
