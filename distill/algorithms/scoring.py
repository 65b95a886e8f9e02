"""Evaluation by kernel ridge regression: how well a support predicts a split."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.gradient import Solved, fit_of, programs_of
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.support import Support, real_support
from kerneldistill.algorithms.targets import Change, Targets
from kerneldistill.kernels.engine import Engine
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll, polled


class Score(NamedTuple):
    """How well a split is predicted.

    accuracy: fraction of images classified correctly, 0..1
    mse: 1/2 mean square over images and classes, as KIP reports it
    """

    accuracy: float
    mse: float


def evaluate(
    engine: Engine,
    support: Support,
    targets: Targets,
    ridge: float,
    changes: Sequence[Change | None] = (None,),
) -> Score:
    """Score one set; see `evaluate_labels`."""
    return evaluate_labels(engine, support.images, [support.labels], targets, ridge, changes)[0]


def evaluate_labels(
    engine: Engine,
    images: np.ndarray,
    labels: Sequence[np.ndarray],
    targets: Targets,
    ridge: float,
    changes: Sequence[Change | None] = (None,),
    seen: Callable[[Solved], None] = lambda regression: None,
) -> list[Score]:
    """Predict every image of `targets` from a support (2107.13034, eq. 1) and score the predictions.

    Args:
      engine: of the kernel
      images: of the support, [s, h, w, c]
      labels: each [s, k]: labels of the same images, which cost one kernel
      targets: the images to predict
      ridge: relative to the mean diagonal
      changes: views of each image whose kernels, and so predictions, are averaged (`algorithms.ensemble`); None is the
        image itself
      seen: told the regression, which has the kernel of the support

    Raises:
      UserError: the kernel of the support cannot be inverted.
      KeyboardInterrupt: the process was asked to stop; it polls before each chunk, of targets and of k_ss.
    """
    size = len(images)
    poll("evaluation", programs_of(engine), size)
    fit = fit_of(engine, Support(images, np.concatenate(labels, axis=1)), ridge)
    seen(fit.regression)
    hits, loss = np.zeros(len(labels), np.int64), np.zeros(len(labels))
    alike = engine.chunk if len(changes) > 1 else None
    first, *others = (targets.chunks(size, change=change, chunk=alike) for change in changes)
    passes = [iter(chunks) for chunks in others]
    for chunk in polled(first, "evaluation of a chunk", programs_of(engine), size):
        views = [chunk, *map(next, passes)]
        predictions = np.zeros((len(chunk.labels), len(labels) * targets.num_classes))
        for view in views:
            predictions += fit.predict(view.features, len(chunk.labels)) / len(views)
        for row, predicted in enumerate(np.split(predictions, len(labels), axis=1)):
            hits[row] += np.sum(predicted.argmax(1) == chunk.class_ids)
            loss[row] += half_mse(predicted, chunk.labels).total
    hits, loss = collectives.all_reduce_sum((hits, loss))
    accuracies, losses = hits / len(targets), loss / (len(targets) * targets.num_classes)
    return [Score(*score) for score in zip(accuracies.tolist(), losses.tolist(), strict=True)]


def random_support(train: Split, num_classes: int, size: int, seed: int, draw: int, dtype: np.dtype) -> Support:
    """Real images, class-balanced, with centred one-hot labels: what a learned support is compared with."""
    rows = balanced(train.labels, num_classes, size, generator(seed, Stream.BASELINE, draw))
    return real_support(train, rows, num_classes, dtype)
