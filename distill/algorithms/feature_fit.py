"""The fit of a regression from features: what passes over targets need of it, and its gradient.

Each of several processes encodes and differentiates its shard of the support; what they exchange is features [s, d],
the gradient by W [d + 1, k], and the images' gradient.
"""

from typing import TypeVar

import numpy as np

from kerneldistill.algorithms.feature_regression import FeatureRegression
from kerneldistill.algorithms.krr import factored
from kerneldistill.algorithms.support import Support
from kerneldistill.kernels.batching import filled
from kerneldistill.kernels.feature_engine import Encoded, FeatureEngine
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import polled

Sums = TypeVar("Sums")


class FeatureFit:
    """See `kerneldistill.algorithms.gradient.Fit`.

    Args:
      engine: of the features
      support: images and labels
      ridge: relative to the mean diagonal of the support's kernel

    Raises:
      NumericalError: the regression cannot be solved.
    """

    def __init__(self, engine: FeatureEngine, support: Support, ridge: float) -> None:
        self._engine, self._support = engine, support
        self.regression = factored(feature_regression(engine, support.images, ridge))
        self._weights = collectives.broadcast(self.regression.fit(support.labels))
        self._by_weights = np.zeros_like(self._weights.of_features)
        self._last: np.ndarray | None = None

    def predict(self, targets: Encoded, count: int, saving: bool = False) -> np.ndarray:
        """See `kerneldistill.algorithms.gradient.Fit.predict`."""
        values, own = targets.values[:count].astype(np.float64), self._weights.of_features
        self._last = values if saving else None
        return values @ own[:-1] + self._engine.kernel.b_std * own[-1]

    def add(self, by_predictions: np.ndarray) -> None:
        """Add the gradient [count, k] by what was predicted last, saving it."""
        assert self._last is not None  # something was
        self._by_weights[:-1] += self._last.T @ by_predictions
        self._by_weights[-1] += self._engine.kernel.b_std * by_predictions.sum(0)
        self._last = None

    def gradient(self, sums: Sums) -> tuple[np.ndarray, np.ndarray, Sums]:
        """The gradient by the images and labels of the support, over all processes, and what was summed beside it."""
        by_weights, sums = collectives.all_reduce_sum((self._by_weights, sums))
        by_features, by_labels = self.regression.pull_back(self._weights, by_weights)
        by_features = collectives.broadcast(by_features[:, :-1].astype(self._engine.dtype))
        images = self._support.images
        shard, found = collectives.shard(len(images)), np.zeros_like(images)
        starts = range(shard.start, shard.start + shard.each, size := self._engine.chunk(shard.each, 1))
        for start in polled(starts, "gradient of the images", id(self._engine), len(images)):
            own = slice(start, min(start + size, shard.stop))
            found[own] = self._engine.encode_pullback(images[own], by_features[own])
        return collectives.all_reduce_sum(found), collectives.broadcast(by_labels), sums


def feature_regression(engine: FeatureEngine, images: np.ndarray, ridge: float) -> FeatureRegression:
    """The regression from images [s, h, w, c]: their features, and b_std beside them."""
    shard = collectives.shard(len(images))
    starts = range(shard.start, shard.start + shard.each, size := engine.chunk(shard.each, 1))
    parts = []
    for start in polled(starts, "features of the support", id(engine), len(images)):
        own = images[start : min(start + size, shard.stop)]
        parts.append(engine.support_features(own).values if len(own) else np.zeros((0, engine.size), engine.dtype))
    own = np.concatenate(parts)
    empty = not len(own)  # of the last of many processes: what it gives is cut off
    padded = filled(np.zeros((1, engine.size), engine.dtype) if empty else own, shard.each)
    values = np.concatenate(collectives.all_gather(padded))[: len(images)].astype(np.float64)
    return FeatureRegression(np.concatenate([values, np.full((len(values), 1), engine.kernel.b_std)], axis=1), ridge)
