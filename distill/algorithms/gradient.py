"""The gradient of the regression's loss by the support, in one pass over the targets.

alpha = (k_ss + ridge I)^-1 y_s does not depend on the targets, so the loss is a sum over them. For each chunk c:
predict, take R_c = dl/dP_c, pull the kernel's cotangent R_c alpha^T back through the chunk's tiles at once, and add
G += k_cs^T R_c = dL/dalpha. After the last chunk G gives the gradient by the labels and by k_ss. Every chunk is
visited once and memory is one chunk, whatever the number of targets. (The scheme of 2107.13034, app. B, computes all
blocks, then all again.)

The kernel's blocks come to the host, where the regression is; the gradient stays on the devices, each of which adds up
its own part, and they exchange it once, after the last chunk (`kernels.exact_engine` counts the bytes). Where several
processes work as one, each goes through its own part of the targets; see `runtime.distributed`.
"""

from collections.abc import Iterable, Mapping, Sized
from typing import NamedTuple

import jax
import numpy as np

from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.losses import LossFunction
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Chunk
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.blocks import whole
from kerneldistill.kernels.engine import Engine, F, S
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.signals import Watch


class Gradient(NamedTuple):
    """A loss and its gradient.

    loss: mean over its terms
    images: [s, h, w, c] gradient by the support's pixels, in the dtype of the kernel
    labels: float64 [s, k] gradient by the support's labels
    loss_parameters: gradient by each parameter of the loss
    regression: whose loss it is
    """

    loss: float
    images: np.ndarray
    labels: np.ndarray
    loss_parameters: Mapping[str, float]
    regression: Regression


def loss_and_gradient(
    engine: Engine, support: Support, chunks: Iterable[Chunk], ridge: float, loss: LossFunction, watch: Watch = iter
) -> Gradient:
    """Differentiate the mean of `loss` over all targets of `chunks` by the support and the loss's parameters.

    watch: sees every chunk, of targets and of the support itself, before it is worked on

    Raises:
      NumericalError: the kernel of the support cannot be inverted.
    """
    return collectives.together(_loss_and_gradient, engine, support, chunks, ridge, loss, watch=watch)


def _loss_and_gradient(
    engine: Engine, support: Support, chunks: Iterable[Chunk], ridge: float, loss: LossFunction, watch: Watch
) -> Gradient:
    size = len(support.images)
    collectives.piece("gradient", size)
    features, itself = engine.support_features(support.images), support_as_targets(engine, support.images)
    regression = Regression(kernel_of_support(engine, features, watch), ridge)
    alpha = collectives.from_writer(lambda: regression.solve(support.labels))

    total, count = 0.0, 0
    g_parameters: dict[str, float] = {}
    g_alpha = np.zeros_like(alpha)
    g_features = None
    for chunk in collectives.in_step(watch(chunks)):
        collectives.piece("gradient of a chunk", size, len(chunk.features))
        kernel, saved = engine.k_ts_saving(features, chunk.features)
        k_ts = _on_host(kernel, len(chunk.labels))
        value = loss(k_ts @ alpha, chunk.labels)
        residual = value.by_predictions
        total, count = total + value.total, count + value.terms
        g_parameters = {name: g_parameters.get(name, 0.0) + g for name, g in value.by_parameters.items()}
        g_alpha += k_ts.T @ residual
        g_features = engine.pullback(features, chunk.features, residual @ alpha.T, g_features, saved)
        del kernel, saved  # before those of the next chunk are made

    g_alpha, total, count, g_parameters = collectives.total((g_alpha, total, count, g_parameters))
    g_kernel, g_labels = collectives.from_writer(lambda: regression.pull_back(alpha, g_alpha))
    g_features = _pull_back_support(engine, features, itself, g_kernel, g_features, watch)
    g_images = collectives.total(np.asarray(engine.pullback_images(support.images, g_features)))
    by_parameters = {name: g / count for name, g in g_parameters.items()}
    return Gradient(total / count, g_images / count, g_labels / count, by_parameters, regression)


def kernel_of(engine: Engine[F, S], support: F, targets: F, count: int) -> np.ndarray:
    """k_ts [count, s] in float64 on the host, without the targets that are padding."""
    return _on_host(engine.k_ts(support, targets), count)


def _on_host(kernel: jax.Array, count: int) -> np.ndarray:
    return np.asarray(kernel)[:count].astype(np.float64)


class OwnTargets(NamedTuple):
    """The support's images as targets of its own kernel: those of this process; all of them if it is alone.

    share: which
    size: images of a chunk
    chunks: features, padded to what every process has and to whole chunks
    """

    share: collectives.Share
    size: int
    chunks: tuple[Sized, ...]


def support_as_targets(engine: Engine, images: np.ndarray) -> OwnTargets:
    """A support's images [s, h, w, c] as targets of its own kernel, in chunks."""
    share = collectives.share(len(images))
    own = images[share.start : share.stop] if share.start < share.stop else images[-1:]
    size = min(share.each, engine.chunk(share.each, len(images)))
    padded = filled(own, -(-share.each // size) * size)
    chunks = tuple(engine.target_features(padded[start : start + size]) for start in range(0, len(padded), size))
    return OwnTargets(share, size, chunks)


def kernel_of_support(engine: Engine[F, S], support: F, watch: Watch = iter) -> np.ndarray:
    """k_ss [s, s] in float64 on the host, symmetric to the last bit: every pair of images is computed once."""
    size = len(support)
    share = collectives.share(size)
    step = engine.chunk(share.each, size // 2 + 1)
    indices = np.arange(share.start, share.start + -(-share.each // step) * step) % size
    parts = collectives.in_step(watch(np.split(indices, len(indices) // step)))
    own = np.concatenate([np.asarray(engine.half_k_ss(support, part)) for part in parts])[: share.each]
    return whole(np.concatenate(collectives.gather(own))[:size]).astype(np.float64)


def _pull_back_support(
    engine: Engine[F, S], support: F, itself: OwnTargets, g_kernel: np.ndarray, onto: F | None, watch: Watch
) -> F:
    """Add the gradient of sum(g_kernel [s, s] * k_ss) by the support's features to the parts `onto`.

    k_ss holds every image twice, as support and as target; it is symmetric, so the support can answer for both. Every
    entry is needed for that: of half of them targets would have to be differentiated as well, which costs as much.
    """
    own = (g_kernel + g_kernel.T)[itself.share.start : itself.share.stop]
    for number, chunk in enumerate(collectives.in_step(watch(itself.chunks))):
        cotangent = own[number * itself.size : (number + 1) * itself.size]
        onto = jax.block_until_ready(engine.pullback(support, chunk, cotangent, onto))
    assert onto is not None  # a support has images, and so at least one chunk
    return onto
