"""Evaluation by kernel ridge regression: how well a support predicts a split."""

from typing import NamedTuple

import numpy as np

from distill.draw import Stream, balanced, generator
from distill.gradient import kernel_of
from distill.krr import Regression, half_mse
from distill.support import Support, centred_one_hot
from distill.targets import Targets
from kernels.engine import Engine
from pipeline.split import Split


class Score(NamedTuple):
    """A prediction's quality on a split.

    accuracy: part of the images whose largest output is their class, 0..1
    mse: 1/2 mean square over images and classes, as KIP reports it
    """

    accuracy: float
    mse: float


def regression_of(engine: Engine, support: Support, ridge: float) -> Regression:
    """The regression from a support.

    Raises:
      UserError: when solved with, if the kernel of the support cannot be inverted.
    """
    itself = engine.columns(support.images)
    return Regression(kernel_of(engine, engine.rows(support.images), itself, len(support.images)), ridge)


def evaluate(engine: Engine, support: Support, targets: Targets, ridge: float) -> Score:
    """Predicts every image of `targets` from `support` (2107.13034, eq. 1) and scores it.

    Raises:
      UserError: the kernel of the support cannot be inverted.
    """
    alpha = regression_of(engine, support, ridge).solve(support.labels)
    rows = engine.rows(support.images)
    hits, loss = 0, 0.0
    for chunk in targets.chunks(len(support.images)):
        predictions = kernel_of(engine, rows, chunk.features, len(chunk.labels)).T @ alpha
        hits += int(np.sum(predictions.argmax(1) == chunk.labels.argmax(1)))
        loss += half_mse(predictions, chunk.labels)[0]
    return Score(hits / len(targets), loss / targets.labels.size)


def random_support(engine: Engine, train: Split, num_classes: int, size: int, seed: int, draw: int) -> Support:
    """Real images, class-balanced, with centred one-hot labels: what a learned support is compared with."""
    rows = balanced(train.labels, num_classes, size, generator(seed, Stream.BASELINE, draw))
    return Support(train.images[rows].astype(engine.dtype), centred_one_hot(train.labels[rows], num_classes))
