"""Label Solve: the best labels for given images, in closed form over the whole train set.

y_s* = argmin over y of || A y - y_t ||,  A = k_ts (k_ss + ridge I)^-1,  the least-norm one (2107.13034, eq. 2).
A is never whole in memory: the triangle R of [A | y_t] is updated chunk by chunk (a sequential TSQR), which is as
stable as one QR of it all; normal equations would square the condition number. Each of several processes has the
triangle of its shard of the targets, and the triangle of these triangles is that of the whole.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import linalg

from kerneldistill.algorithms.feature_label_solve import feature_label_solve
from kerneldistill.algorithms.gradient import kernel_of, programs_of, regression_of
from kerneldistill.algorithms.kept_triangle import KeptTriangle
from kerneldistill.algorithms.krr import Regression, factored
from kerneldistill.algorithms.least_squares import triangle_of
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Chunk, Targets
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll, polled

# Targets whose rows of A are held at a time, several times over: with 500 images, 16 MB.
_PIECE = 4096


def label_solve(
    engine: Engine,
    images: np.ndarray,
    targets: Targets,
    ridge: float,
    flip: bool = False,
    kept: Path | None = None,
) -> Support:
    """Solve for the labels of `images` [s, h, w, c] that predict `targets` best.

    flip: the regression is from the mirror images, too, which have the same labels
    kept: a file that keeps what is done every minute, and that a solve of the same goes on from; not where the kernel
      is made of features, which takes seconds

    Raises:
      UserError: the kernel of the images cannot be inverted.
    """
    source = regressed(Support(images, np.zeros((len(images), 0))), flip).images
    # Both are the same least squares; which is smaller depends on the images and the features.
    if isinstance(engine, FeatureEngine) and engine.size < len(source):
        return Support(images, feature_label_solve(engine, source, targets, ridge, len(images)))
    return Support(images, _label_solve(engine, source, targets, ridge, len(images), kept))


def _label_solve(
    engine: Engine, images: np.ndarray, targets: Targets, ridge: float, size: int, kept: Path | None = None
) -> np.ndarray:
    """The labels [size, k] that image i shares with image size + i, if there is one."""
    columns = size + targets.num_classes
    progress = None if kept is None else KeptTriangle(kept, images, len(targets.chunks(len(images))))
    done, triangle = (0, np.zeros((columns, columns))) if progress is None else progress.begun(columns)
    regression, chunks = designs_of(engine, images, targets, ridge, size, done)
    for number, designs in enumerate(chunks, done + 1):
        for design, labels in designs:
            triangle = triangle_of(triangle, np.concatenate([design, labels], axis=1))
        if progress is not None:
            progress.keep(number, triangle)
    triangle = triangle_of(*collectives.all_gather(triangle))
    # || A y - y_t ||^2 = || R_a y - Q^T y_t ||^2 + a rest that y cannot change; lstsq takes the least-norm minimiser.
    # A direction in which A is but the rounding of the solve is none (equal images): labels there would be 1e10.
    solution: Any = linalg.lstsq(triangle[:size, :size], triangle[:size, size:], cond=regression.rounding)
    return collectives.broadcast(solution[0])


def designs_of(
    engine: Engine, images: np.ndarray, targets: Targets, ridge: float, size: int, first: int = 0
) -> tuple[Regression, Iterator[Iterator[tuple[np.ndarray, np.ndarray]]]]:
    """The regression from `images`, and A [t, size] beside y_t [t, k] of each chunk of targets, piece by piece.

    The chunks are this process's, without the first `first`. Where `images` are more than `size`, image i shares its
    label with image size + i.

    Raises:
      UserError: the kernel of the images cannot be inverted.
    """
    poll("labels", programs_of(engine), len(images))
    features = engine.support_features(images)
    regression = factored(regression_of(engine, features, ridge))

    def pieces(chunk: Chunk) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        k_ts = kernel_of(engine, features, chunk.features, len(chunk.labels))
        for start in range(0, len(chunk.labels), _PIECE):
            piece = slice(start, start + _PIECE)
            design = regression.solve(k_ts[piece].T).T
            yield design.reshape(len(design), -1, size).sum(1), chunk.labels[piece]

    chunks = replace(targets.chunks(len(images)), first=first)
    return regression, map(pieces, polled(chunks, "labels from a chunk", programs_of(engine), len(images)))
