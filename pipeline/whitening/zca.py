"""What every ZCA shares: the limits of its size, and the two powers of a covariance."""

import abc
import math
from collections.abc import Callable

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.whitening import Whitening

# Numbers in a matrix of the fit, of which several are in memory at once: 1.07 GB each.
MAX_ENTRIES = 2**27


class Zca(Whitening, abc.ABC):
    """A whitening by a symmetric matrix, of the whole image or of each of its blocks."""

    passes = 2
    is_zca = True

    def check(self, image_shape: tuple[int, int, int], block: int) -> None:
        height, width, channels = image_shape
        side = math.gcd(height, width)
        sides = [divisor for divisor in range(1, side + 1) if side % divisor == 0]
        if block and block not in sides:
            raise DataError(
                f"data.zca_block is {block}; allowed for images of {height} x {width}: 0, {', '.join(map(str, sides))}"
            )
        if _entries(image_shape, block) > MAX_ENTRIES:
            fitting = [side for side in sides if _entries(image_shape, side) <= MAX_ENTRIES]
            remedy = f"set data.zca_block to {fitting[-1]} or less" if fitting else "use whiten = 'standard'"
            size = 8 * _entries(image_shape, block) / 1e9
            raise DataError(
                f"{self.name} of images of {height} x {width} x {channels} needs several matrices of {size:.1f} GB; "
                f"allowed: {8 * MAX_ENTRIES / 1e9:.1f} GB each; {remedy}"
            )


def fit_blocks(
    covariances: np.ndarray, fit: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Fit (W, W_inv) to one covariance [d, d], or to each of [g, e, e]; both come in the shape of `covariances`."""
    if covariances.ndim == 2:
        return fit(covariances)
    pairs = [fit(covariance) for covariance in covariances]
    return np.stack([forward for forward, _ in pairs]), np.stack([inverse for _, inverse in pairs])


def powers(s: np.ndarray, U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return U s^-1/2 U^T and U s^1/2 U^T."""
    # As A A^T with A = U s^-1/4: half the work of a general product, and exactly symmetric.
    forward = U * s**-0.25
    forward = forward @ forward.T
    inverse = U * s**0.25
    return forward, inverse @ inverse.T


def _entries(image_shape: tuple[int, int, int], block: int) -> int:
    blocks = Blocks(image_shape, block)
    return blocks.count * blocks.features**2
