"""Kernels of batches of targets with the support, linearised at the images where each batch was seen.

Near the images x_b at which batch b was computed, k_ts(x) = k_b + <J_b, x - x_b> with J_b[t, s] = dk_ts[t, s] / dx_s:
batches of former steps go on telling how the loss depends on the images, for no more kernel entries.
"""

from typing import NamedTuple

import numpy as np
from jax import Array

from kerneldistill.algorithms.gradient import programs_of
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Change, Targets
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.engine import JacobianEngine
from kerneldistill.runtime.distributed.stop import polled


class Linearised(NamedTuple):
    """The targets of one batch that are this process's: t of them.

    images: [s, h, w, c] where the kernel is linearised
    k_ts: float64 [t, s] there; with `support.flip` of each image and its mirror image together
    jacobian: [s, t, h w c] gradient of k_ts by the pixels, in the dtype of the kernel
    labels: float64 [t, k]
    """

    images: np.ndarray
    k_ts: np.ndarray
    jacobian: np.ndarray
    labels: np.ndarray

    def at(self, images: np.ndarray) -> np.ndarray:
        """k_ts [t, s] at other images, to first order."""
        return self.k_ts + self.along(images.astype(np.float64) - self.images)

    def along(self, change: np.ndarray) -> np.ndarray:
        """The change [t, s] of k_ts with a change [s, ...] of the images, in float64."""
        rows = change.reshape(len(change), -1).astype(self.jacobian.dtype)
        parts = [jacobian @ row for jacobian, row in zip(self.jacobian, rows, strict=True)]
        return np.stack(parts, axis=1).astype(np.float64)

    def pull_back(self, cotangent: np.ndarray) -> np.ndarray:
        """The gradient float64 [s, h w c] of sum(cotangent [t, s] * k_ts) by the images."""
        columns = cotangent.T.astype(self.jacobian.dtype)
        parts = [column @ jacobian for column, jacobian in zip(columns, self.jacobian, strict=True)]
        return np.stack(parts).astype(np.float64)


def linearised(
    engine: JacobianEngine, images: np.ndarray, targets: Targets, rows: np.ndarray, change: Change | None, flip: bool
) -> Linearised:
    """Compute the kernel of the targets `rows` with `images` [s, h, w, c], and its Jacobian.

    flip: the regression is from the mirror images, too. As they have the same labels, and as a kernel of mirrored
      images is that of the images themselves, they have the same alpha: their kernels add up.

    Raises:
      KeyboardInterrupt: the process was asked to stop; it polls before each chunk.
    """
    source = regressed(Support(images, np.zeros((len(images), 0))), flip).images
    features = engine.support_features(source)
    parts = []
    chunks = targets.chunks(len(source), rows, change, engine.jacobian_chunk)
    for chunk in polled(chunks, "jacobian of a chunk", programs_of(engine), len(source)):
        found = engine.k_ts_and_jacobian(features, chunk.features)
        parts.append((*on_host(*found, len(chunk.labels), flip), chunk.labels))
    kernels, jacobians, labels = zip(*parts, strict=True)
    return Linearised(images, np.concatenate(kernels), np.concatenate(jacobians, axis=1), np.concatenate(labels))


def support_linearised(engine: JacobianEngine, images: np.ndarray, flip: bool) -> Linearised:
    """Compute the kernel of a support [s, h, w, c] with itself; its Jacobian is by the columns, `images` as support.

    flip: see `linearised`
    """
    source = regressed(Support(images, np.zeros((len(images), 0))), flip).images
    size = engine.jacobian_chunk(len(images), len(source))
    features = engine.support_features(source)
    parts = []
    for start in range(0, len(images), size):
        own = images[start : start + size]
        found = engine.k_ts_and_jacobian(features, engine.target_features(filled(own, size)))
        parts.append(on_host(*found, len(own), flip))
    kernels, jacobians = zip(*parts, strict=True)
    return Linearised(images, np.concatenate(kernels), np.concatenate(jacobians, axis=1), np.zeros((len(images), 0)))


def on_host(kernel: Array, jacobian: Array, count: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` targets of a chunk on the host: k_ts float64 [t, s] and its Jacobian [s, t, h w c]."""
    k_ts, by_pixels = (np.asarray(x)[:count] for x in (kernel, jacobian))
    if flip:
        half = k_ts.shape[1] // 2
        k_ts = k_ts[:, :half] + k_ts[:, half:]
        by_pixels = by_pixels[:, :half] + by_pixels[:, half:, :, ::-1]
    return k_ts.astype(np.float64), np.swapaxes(by_pixels.reshape(*k_ts.shape, -1), 0, 1).copy()
