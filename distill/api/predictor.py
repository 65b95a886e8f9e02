"""Predictions of any images by kernel ridge regression from a support."""

from functools import cached_property

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.gradient import Fit, fit_of
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.batching import filled


class Predictor:
    """f(x) = k(x, support) alpha with alpha = (k_ss + ridge tr(k_ss)/s I)^-1 labels (2107.13034, eq. 1).

    Args:
      kernel: which
      support: images [s, h, w, c] in the whitened space and labels [s, k]
      ridge: relative to the mean diagonal of k_ss
      flip: regress from the mirror images, too
    """

    def __init__(self, kernel: KernelConfig, support: Support, ridge: float, flip: bool) -> None:
        height, width, channels = support.images.shape[1:]
        self._engine = engine_of(kernel, (height, width, channels))
        source = Support(support.images.astype(self._engine.dtype), support.labels.astype(np.float64))
        self._support, self._ridge = regressed(source, flip), ridge

    @cached_property
    def _fit(self) -> Fit:
        return fit_of(self._engine, self._support, self._ridge)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Outputs float64 [n, k] for whitened images [n, h, w, c].

        Raises:
          UserError: the kernel of the support cannot be inverted.
        """
        size = self._engine.chunk(len(images), len(self._support.images))
        outputs = np.empty((len(images), self._support.labels.shape[1]))
        for start in range(0, len(images), size):
            chunk = images[start : start + size].astype(self._engine.dtype)
            # Of one shape, so that one compiled program serves all.
            targets = self._engine.target_features(filled(chunk, size))
            outputs[start : start + len(chunk)] = self._fit.predict(targets, len(chunk))
        return outputs
