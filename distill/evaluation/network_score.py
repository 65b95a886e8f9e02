"""Score what a trained network predicts of a split."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.kernels.batching import filled
from kerneldistill.pipeline.split import Split

# Told the images done.
Progress = Callable[[int], None]

# Images of one program; the last are padded to it.
_BATCH = 512


class NetworkScore(NamedTuple):
    """What a network's outputs are worth.

    accuracy: fraction of images classified correctly
    mse: 1/2 mean square of outputs against centred labels
    finite: whether all outputs are
    """

    accuracy: float
    mse: float
    finite: bool


def score_network(spec: NetworkSpec, variables: Variables, split: Split, outputs: int) -> NetworkScore:
    """Predict every image of a split, batch normalisation by its running means."""
    predict = _predict(spec, split.images.shape[1:], outputs)
    return score_predictions(lambda images: predict(variables, images), split, outputs, _BATCH)


def score_predictions(
    predict: Callable[[Array], Array | np.ndarray],
    split: Split,
    outputs: int,
    batch: int,
    progress: Progress = lambda images: None,
) -> NetworkScore:
    """Score what a function of `batch` images predicts of every image of a split.

    Args:
      predict: outputs [n, k] of images [n, h, w, c], always of the same n
      split: the images
      outputs: k
      batch: images of a call, at most
      progress: told the images that are done
    """
    hits, total, finite = 0, 0.0, True
    size = min(batch, len(split))
    for start in range(0, len(split), size):
        images, labels = split.images[start : start + size], split.labels[start : start + size]
        found = np.asarray(predict(jnp.asarray(filled(images, size))))[: len(labels)].astype(np.float64)
        progress(start + len(labels))
        hits += int(np.sum(found.argmax(1) == labels))
        total += half_mse(found, centred_one_hot(labels, outputs)).total
        finite &= bool(np.isfinite(found).all())
    return NetworkScore(hits / len(split), total / (len(split) * outputs), finite)


@lru_cache(maxsize=64)
def _predict(spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int) -> Callable[[Variables, Array], Array]:
    return jax.jit(model_of(spec, image_shape, outputs).apply)
