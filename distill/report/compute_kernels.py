"""Computes an `OnTest`: the slow part of a report, and the only one that starts jax."""

from dataclasses import replace
from typing import Literal

import jax
import numpy as np
from jax import lax

from kerneldistill.algorithms.engines import engine_of, network_of
from kerneldistill.algorithms.gradient import kernel_of, regression_of
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.schema import KernelConfig
from kerneldistill.evaluation.infinite_width import Blocks
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.gram_matrix import gram
from kerneldistill.kernels.network import Network
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.report.kernels_on_test import OnTest

# Images whose own variance is computed in one program.
_ROWS = 256


def measure(kernel: KernelConfig, support: Support, start: Support | None, data: Prepared, test_images: int) -> OnTest:
    """Compute the kernels of a support and of its start with test images.

    Args:
      kernel: of the run that made it
      support: images and labels
      start: what it began as; None where that is not known
      data: the splits, in the space of the support
      test_images: at most so many, spread evenly over the test split

    Raises:
      UserError: the configuration names no kernel that can be computed.
    """
    test, num_classes = spread(data.test, test_images), len(data.manifest.class_names)
    engines = {get: _engine(kernel, data, get) for get in ("ntk", "nngp")}
    own = engines[kernel.get]
    targets = Targets(own, test, num_classes)
    support = _as_of(own, support)
    blocks = {get: _blocks(engine, support, targets) for get, engine in engines.items()}
    begun = Blocks(*np.zeros((2, 0, 0), own.dtype)) if start is None else _blocks(own, _as_of(own, start), targets)
    start = start or Support(support.images[:0], support.labels[:0])
    images = test.images.astype(own.dtype, copy=False)
    return OnTest(
        ntk_ss=blocks["ntk"].ss,
        ntk_ts=blocks["ntk"].ts,
        nngp_ss=blocks["nngp"].ss,
        nngp_ts=blocks["nngp"].ts,
        nngp_tt=own_variances(network_of(kernel), images),
        start_ss=begun.ss,
        start_ts=begun.ts,
        start_images=start.images.astype(np.float32),
        start_labels=start.labels,
        learned_pixels=data.whitener.invert(support.images.astype(np.float32)),
        start_pixels=data.whitener.invert(start.images.astype(np.float32)),
        test_pixels=np.round(np.clip(data.whitener.invert(test.images), 0, 255)).astype(np.uint8),
        test_labels=test.labels,
        test_size=len(data.test),
    )


def spread(split: Split, count: int) -> Split:
    """`count` images of a split, evenly spaced, so that one sorted by class keeps all classes; or all of a smaller."""
    rows = np.arange(min(count, len(split))) * len(split) // min(count, len(split))
    return Split(np.ascontiguousarray(split.images[rows]), split.labels[rows])


def own_variances(network: Network, images: np.ndarray) -> np.ndarray:
    """Return NNGP of each image [n, h, w, c] with itself, [n]."""

    @jax.jit
    def of_some(some: jax.Array) -> jax.Array:
        return lax.map(lambda image: gram(network, image[None], image[None], "nngp")[0, 0], some)

    size = min(_ROWS, len(images))
    starts = range(0, len(images), size)
    parts = [np.asarray(of_some(filled(images[start : start + size], size))) for start in starts]
    return np.concatenate(parts)[: len(images)]


def _engine(kernel: KernelConfig, data: Prepared, get: Literal["ntk", "nngp"]) -> Engine:
    return engine_of(replace(kernel, get=get), data.manifest.image_shape)


def _as_of(engine: Engine, support: Support) -> Support:
    """The support in the engine's precision: a bundle's images are float32."""
    return support._replace(images=support.images.astype(engine.dtype, copy=False))


def _blocks(engine: Engine, support: Support, targets: Targets) -> Blocks:
    """Return the kernel of a support and the images of `targets`, in the engine's precision."""
    features = engine.support_features(support.images)
    k_ss = regression_of(engine, features, 0.0).k_ss
    chunks = targets.chunks(len(support.images))
    k_ts = [kernel_of(engine, features, chunk.features, len(chunk.labels)) for chunk in chunks]
    return Blocks(k_ss.astype(engine.dtype), np.concatenate(k_ts).astype(engine.dtype))
