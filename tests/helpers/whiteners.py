"""Fit whiteners in memory, without Beam."""

import numpy as np

from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Scatter
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import Sums, whitening_of


def fit_whitener(kind: str, images: np.ndarray, reg: float = 0.1, block: int = 0, fingerprint: str = "f") -> Whitener:
    """Fit a whitener of some kind to uint8 images [n, h, w, c]; sums are merged from two halves."""
    whitening, shape = whitening_of(kind), images.shape[1:]
    moments, scatter = ChannelMoments.of(images), None
    if whitening.passes == 2:
        halves = filter(len, np.array_split(images, 2))
        parts = [Scatter.of(whitening.features(half, moments), Blocks(shape, block)) for half in halves]
        scatter = parts[0].merge(parts[1]) if len(parts) == 2 else parts[0]
    return whitening.fit(Sums(shape, len(images), fingerprint, moments, scatter), reg, block)
