"""Evaluation by kernel ridge regression: how well a support predicts a split."""

from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.gradient import kernel_of, kernel_of_support
from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.support import Support, real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.engine import Engine, F, S
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.signals import Watch


class Score(NamedTuple):
    """How well a split is predicted.

    accuracy: fraction of images classified correctly, 0..1
    mse: 1/2 mean square over images and classes, as KIP reports it
    """

    accuracy: float
    mse: float


def regression_of(engine: Engine[F, S], support: F, ridge: float, watch: Watch = iter) -> Regression:
    """The regression from the images of a support, given by their features.

    watch: sees every chunk of the kernel before it is worked on

    Raises:
      UserError: when solved with, if the kernel of the images cannot be inverted.
    """
    return Regression(kernel_of_support(engine, support, watch), ridge)


def evaluate(engine: Engine, support: Support, targets: Targets, ridge: float, watch: Watch = iter) -> Score:
    """Predict every image of `targets` from `support` (2107.13034, eq. 1) and score the predictions.

    watch: sees every chunk, of targets and of the support itself, before it is worked on

    Raises:
      UserError: the kernel of the support cannot be inverted.
    """
    return collectives.together(_evaluate, engine, support, targets, ridge, watch=watch)


def _evaluate(engine: Engine, support: Support, targets: Targets, ridge: float, watch: Watch) -> Score:
    size = len(support.images)
    collectives.piece("evaluation", size)
    features = engine.support_features(support.images)
    regression = regression_of(engine, features, ridge, watch)
    alpha = collectives.from_writer(lambda: regression.solve(support.labels))
    hits, loss = 0, 0.0
    for chunk in collectives.in_step(watch(targets.chunks(size))):
        collectives.piece("evaluation of a chunk", size, len(chunk.features))
        predictions = kernel_of(engine, features, chunk.features, len(chunk.labels)) @ alpha
        hits += int(np.sum(predictions.argmax(1) == chunk.class_ids))
        loss += half_mse(predictions, chunk.labels).total
    hits, loss = collectives.total((hits, loss))
    return Score(hits / len(targets), loss / targets.labels.size)


def random_support(train: Split, num_classes: int, size: int, seed: int, draw: int, dtype: np.dtype) -> Support:
    """Real images, class-balanced, with centred one-hot labels: what a learned support is compared with."""
    rows = balanced(train.labels, num_classes, size, generator(seed, Stream.BASELINE, draw))
    return real_support(train, rows, num_classes, dtype)
