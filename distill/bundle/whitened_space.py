"""Whether two whitenings lead to one space: the only definition of it, by what they make of the same pixels.

A bundle made on another machine has a whitening that differs in its last bits. Images of one space are used as they
are; those of another go back to pixels and forward again, which loses what a whitening forgets of each image.
"""

import math

import numpy as np

from kerneldistill.pipeline.whitening.whitener import Whitener

# By two machines one space differs by rounding, some 1e-5; by another fit of the same kind by 1e-2.
SAME_SPACE = 1e-3
# Of one whitening, applied again: it was computed in float32, perhaps by another machine's matrix product.
PROBE_TOLERANCE = 1e-4


def same_space(one: Whitener, other: Whitener, pixels: np.ndarray) -> bool:
    """Return whether two whitenings make the same of `pixels` [n, h, w, c] 0..255, up to `SAME_SPACE`."""
    if one is other:
        return True
    if one.image_shape != other.image_shape or not len(pixels):
        return False
    return largest_difference(one.apply(pixels), other.apply(pixels)) <= SAME_SPACE


def largest_difference(now: np.ndarray, then: np.ndarray) -> float:
    """Return the largest difference, relative to the largest value of `then` or to 1; infinity for other shapes."""
    if now.shape != then.shape:
        return math.inf  # numpy would stretch them, to nothing where one axis is 0
    return float(np.abs(now - then).max(initial=0)) / max(1.0, float(np.abs(then).max(initial=0)))
