"""Label Solve: the best labels for given images, in closed form over the whole train set.

y_s* = argmin over y of || A y - y_t ||,  A = k_ts (k_ss + ridge I)^-1,  the least-norm one (2107.13034, eq. 2).
A is never whole in memory: the triangle R of [A | y_t] is updated chunk by chunk (a sequential TSQR), which is as
stable as one QR of it all; normal equations would square the condition number. Where several processes work as one,
each has the triangle of its part of the targets, and the triangle of these triangles is that of the whole.
"""

import numpy as np
from scipy import linalg

from distill import processes
from distill.evaluate import regression_of
from distill.gradient import kernel_of
from distill.krr import Regression
from distill.preemption import Watch
from distill.support import Support
from distill.targets import Targets
from kernels.engine import Engine


def label_solve(engine: Engine, images: np.ndarray, targets: Targets, ridge: float) -> Support:
    """Solves for the labels of `images` [s, h, w, c] that predict `targets` best.

    Raises:
      UserError: the kernel of the images cannot be inverted.
    """
    return processes.together(_label_solve, engine, images, targets, ridge)


def _label_solve(engine: Engine, images: np.ndarray, targets: Targets, ridge: float, watch: Watch) -> Support:
    size, num_classes = len(images), targets.labels.shape[1]
    processes.piece("labels", size)
    rows = engine.rows(images)
    unsolved = regression_of(engine, images, rows, ridge, watch)
    regression = processes.from_writer(lambda: _factored(unsolved))
    triangle = np.zeros((size + num_classes, size + num_classes))
    for chunk in processes.in_step(watch(targets.chunks(size))):
        processes.piece("labels from a chunk", size, len(chunk.features))
        design = regression.solve(kernel_of(engine, rows, chunk.features, len(chunk.labels))).T
        triangle = _triangle(triangle, np.concatenate([design, chunk.labels], axis=1))
    triangle = _triangle(*processes.gather(triangle))
    # || A y - y_t ||^2 = || R_a y - Q^T y_t ||^2 + a rest that y cannot change; lstsq takes the least-norm minimiser.
    # A direction in which A is but the rounding of the solve is none (equal images): labels there would be 1e10.
    labels = linalg.lstsq(triangle[:size, :size], triangle[:size, size:], cond=regression.rounding)[0]
    return Support(images, labels)


def _factored(regression: Regression) -> Regression:
    """The same, its kernel known to be invertible, and factored once for all processes."""
    regression.solve(np.zeros(len(regression.k_ss)))
    return regression


def _triangle(*parts: np.ndarray) -> np.ndarray:
    """The triangle R [n, n] of parts [t_i, n] of a matrix, one under the other, at least n rows in all."""
    whole = np.concatenate(parts)
    return linalg.qr(whole, mode="r")[0][: whole.shape[1]]
