"""The gradient of the regression's loss by the support, in one pass over the targets.

alpha = (k_ss + ridge I)^-1 y_s does not depend on the targets, so the loss is a sum over them. For each chunk c:
predict, take R_c = dl/dP_c, pull the kernel's cotangent R_c alpha^T back through the chunk's tiles at once, and add
G += k_cs^T R_c = dL/dalpha. After the last chunk G gives the gradient by the labels and by k_ss. Every chunk is
visited once and memory is one chunk, whatever the number of targets. (The scheme of 2107.13034, app. B, computes all
blocks, then all again.)

The kernel's blocks come to the host, where the regression is; the gradient stays on the devices, each of which adds up
its own part, and they exchange it once, after the last chunk (`kernels.exact_engine` counts the bytes). Each of
several processes goes through its own shard of the targets and of k_ss; see `runtime.distributed`.
"""

from collections.abc import Iterable, Mapping, Sized
from typing import Any, Generic, NamedTuple, Protocol

import jax
import numpy as np

from kerneldistill.algorithms.feature_fit import FeatureFit, Sums
from kerneldistill.algorithms.krr import Regression, factored
from kerneldistill.algorithms.losses import LossFunction
from kerneldistill.algorithms.numerical_error import Diagnosis
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Chunk
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.blocks import whole
from kerneldistill.kernels.engine import Engine, F, S
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll, polled


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
    regression: "Solved"


def loss_and_gradient(
    engine: Engine, support: Support, chunks: Iterable[Chunk], ridge: float, loss: LossFunction
) -> Gradient:
    """Differentiate the mean of `loss` over all targets of `chunks` by the support and the loss's parameters.

    Raises:
      NumericalError: the kernel of the support cannot be inverted.
      KeyboardInterrupt: the process was asked to stop; it polls before each chunk, of targets and of k_ss.
    """
    size = len(support.images)
    poll("gradient", programs_of(engine), size)
    fit = fit_of(engine, support, ridge)
    total, count = 0.0, 0
    by_parameters: dict[str, float] = {}
    for chunk in polled(chunks, "gradient of a chunk", programs_of(engine), size):
        value = loss(fit.predict(chunk.features, len(chunk.labels), saving=True), chunk.labels)
        total, count = total + value.total, count + value.terms
        by_parameters = {name: by_parameters.get(name, 0.0) + g for name, g in value.by_parameters.items()}
        fit.add(value.by_predictions)
    images, labels, (total, count, by_parameters) = fit.gradient((total, count, by_parameters))
    mean = {name: g / count for name, g in by_parameters.items()}
    return Gradient(total / count, images / count, labels / count, mean, fit.regression)


class Solved(Protocol):
    """The system of a regression, factored."""

    @property
    def k_ss(self) -> np.ndarray:
        """The kernel of its support [s, s]."""
        ...

    @property
    def condition(self) -> float:
        """Its condition number."""
        ...

    def diagnosis(self) -> Diagnosis:
        """What is wrong with it."""
        ...


class Fit(Protocol):
    """A regression fitted to a support, for a pass over targets.

    regression: the system
    """

    regression: Any

    def predict(self, targets: Any, count: int, saving: bool = False) -> np.ndarray:
        """The outputs float64 [count, k] for the first `count` targets, which are given by their features.

        saving: keep what `add` needs of them
        """
        ...

    def add(self, by_predictions: np.ndarray) -> None:
        """Add the gradient [count, k] of a loss by what was predicted last, saving it."""
        ...

    def gradient(self, sums: Sums) -> tuple[np.ndarray, np.ndarray, Sums]:
        """The gradients of what was added by the support's images and labels, over all processes, and other sums."""
        ...


def fit_of(engine: Engine, support: Support, ridge: float) -> Fit:
    """Fit the regression from a support: by features where the kernel is made of them, else by its blocks.

    Raises:
      NumericalError: the kernel of the support cannot be inverted.
    """
    if isinstance(engine, FeatureEngine):
        return FeatureFit(engine, support, ridge)
    return KernelFit(engine, support, ridge)


class KernelFit:
    """A `Fit` by blocks of the kernel.

    Args:
      engine: of the kernel
      support: images and labels
      ridge: relative to the mean diagonal of the support's kernel
    """

    def __init__(self, engine: Engine, support: Support, ridge: float) -> None:
        self._engine, self._images = engine, support.images
        self._features = engine.support_features(support.images)
        self.regression = factored(regression_of(engine, self._features, ridge))
        self._alpha = collectives.broadcast(self.regression.solve(support.labels))
        self._g_alpha = np.zeros_like(self._alpha)
        self._g_features: Any = None
        self._last: tuple[Sized, np.ndarray, Any] | None = None

    def predict(self, targets: Sized, count: int, saving: bool = False) -> np.ndarray:
        """See `Fit.predict`."""
        if not saving:
            return kernel_of(self._engine, self._features, targets, count) @ self._alpha
        kernel, saved = self._engine.k_ts_saving(self._features, targets)
        self._last = targets, _on_host(kernel, count), saved
        return self._last[1] @ self._alpha

    def add(self, by_predictions: np.ndarray) -> None:
        """See `Fit.add`."""
        assert self._last is not None  # something was predicted
        (targets, k_ts, saved), self._last = self._last, None  # gone before those of the next chunk are made
        self._g_alpha += k_ts.T @ by_predictions
        cotangent = by_predictions @ self._alpha.T
        self._g_features = self._engine.pullback(self._features, targets, cotangent, self._g_features, saved)

    def gradient(self, sums: Sums) -> tuple[np.ndarray, np.ndarray, Sums]:
        """See `Fit.gradient`."""
        engine = self._engine
        g_alpha, sums = collectives.all_reduce_sum((self._g_alpha, sums))
        g_kernel, g_labels = collectives.broadcast(self.regression.pull_back(self._alpha, g_alpha))
        itself = support_as_targets(engine, self._images)
        g_features = _pull_back_support(engine, self._features, itself, g_kernel, self._g_features)
        g_images = collectives.all_reduce_sum(np.asarray(engine.pullback_images(self._images, g_features)))
        return g_images, g_labels, sums


def programs_of(engine: Engine) -> int:
    """Tell the compiled programs of engines apart, for the watchdog; all draws of random features share theirs."""
    return id(getattr(engine, "map", engine))


def kernel_of(engine: Engine[F, S], support: F, targets: F, count: int) -> np.ndarray:
    """k_ts [count, s] in float64 on the host, without the targets that are padding."""
    return _on_host(engine.k_ts(support, targets), count)


def _on_host(kernel: jax.Array | np.ndarray, count: int) -> np.ndarray:
    return np.asarray(kernel)[:count].astype(np.float64)


class OwnTargets(NamedTuple, Generic[F]):
    """The support's images as targets of its own kernel: those of this process; all of them if it is alone.

    shard: which
    size: images of a chunk
    chunks: features, padded to what every process has and to whole chunks
    """

    shard: collectives.Shard
    size: int
    chunks: tuple[F, ...]


def support_as_targets(engine: Engine[F, S], images: np.ndarray) -> OwnTargets[F]:
    """A support's images [s, h, w, c] as targets of its own kernel, in chunks."""
    shard = collectives.shard(len(images))
    own = images[shard.start : shard.stop] if shard.start < shard.stop else images[-1:]
    size = min(shard.each, engine.chunk(shard.each, len(images)))
    padded = filled(own, -(-shard.each // size) * size)
    chunks = tuple(engine.target_features(padded[start : start + size]) for start in range(0, len(padded), size))
    return OwnTargets(shard, size, chunks)


def regression_of(engine: Engine[F, S], support: F, ridge: float) -> Regression:
    """The regression from the images of a support, given by their features.

    Raises:
      NumericalError: when solved with, if the kernel of the images cannot be inverted.
    """
    return Regression(kernel_of_support(engine, support), ridge)


def kernel_of_support(engine: Engine[F, S], support: F) -> np.ndarray:
    """k_ss [s, s] in float64 on the host, symmetric to the last bit: every pair of images is computed once."""
    size = len(support)
    shard = collectives.shard(size)
    step = engine.chunk(shard.each, size // 2 + 1)
    indices = np.arange(shard.start, shard.start + -(-shard.each // step) * step) % size
    parts = polled(np.split(indices, len(indices) // step), "kernel of the support", programs_of(engine), size)
    own = np.concatenate([np.asarray(engine.half_k_ss(support, part)) for part in parts])[: shard.each]
    return whole(np.concatenate(collectives.all_gather(own))[:size]).astype(np.float64)


def _pull_back_support(
    engine: Engine[F, S], support: F, itself: OwnTargets[F], g_kernel: np.ndarray, onto: F | None
) -> F:
    """Add the gradient of sum(g_kernel [s, s] * k_ss) by the support's features to the parts `onto`.

    k_ss holds every image twice, as support and as target; it is symmetric, so the support can answer for both. Every
    entry is needed for that: of half of them targets would have to be differentiated as well, which costs as much.
    """
    own = (g_kernel + g_kernel.T)[itself.shard.start : itself.shard.stop]
    for number, chunk in enumerate(polled(itself.chunks, "gradient of k_ss", programs_of(engine), len(support))):
        cotangent = own[number * itself.size : (number + 1) * itself.size]
        onto = jax.block_until_ready(engine.pullback(support, chunk, cotangent, onto))
    assert onto is not None  # a support has images, and so at least one chunk
    return onto
