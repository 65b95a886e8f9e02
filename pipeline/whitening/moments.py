"""The sums over training images that a whitening is fitted to. They come out the same in any order.

Floating-point sums depend on their order, and Beam promises none. Both sums here are therefore integers, whose addition
is exactly associative: any bundles, workers or merge order give the same bits.

Letters: n images, d = h * w * c features, c channels.
"""

from dataclasses import dataclass

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.whitening.blocks import Blocks

# An entry of x x^T is at most 1, as those of x are, so a sum over fewer than 2^27 images fits 63 bits with 36 after
# the point. One unit is 1.5e-11, a thousandth of the float32 rounding of a batch's product.
_POINT = 36
_MAX_IMAGES = 2 ** (63 - _POINT)


@dataclass(frozen=True, eq=False)
class ChannelMoments:
    """How often each pixel value occurs, by channel.

    counts: int64 [c, 256] how many pixels of the channel have the value
    """

    counts: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> "ChannelMoments":
        """Count the values of uint8 images [n, h, w, c]."""
        channels = images.reshape(-1, images.shape[-1]).T
        return cls(np.stack([np.bincount(channel, minlength=256) for channel in channels]))

    def merge(self, other: "ChannelMoments") -> "ChannelMoments":
        """Add the counts of other images. Exactly associative and commutative."""
        return ChannelMoments(self.counts + other.counts)

    def mean(self) -> np.ndarray:
        """Return the mean pixel, float64 [c], 0..255."""
        return self.counts @ np.arange(256) / self.counts.sum(axis=1)

    def std(self) -> np.ndarray:
        """Return the population standard deviation, float64 [c], 0..255; 1 where it is 0, as it is divided by."""
        values = np.arange(256)
        # n^2 var = n sum v^2 - (sum v)^2, in Python's unbounded integers: no cancellation.
        variance = []
        for counts in self.counts:
            n, first, second = (int(total) for total in (counts.sum(), counts @ values, counts @ values**2))
            variance.append((n * second - first**2) / n**2)
        std = np.sqrt(np.array(variance))
        return np.where(std > 0, std, 1.0)


@dataclass(frozen=True, eq=False)
class Features:
    """Images as a ZCA sees them.

    features: float32 [n, d] rows, with no entry beyond -1 and 1
    mean: float64 [n] mean taken off each
    norm: float64 [n] length divided out of each
    """

    features: np.ndarray
    mean: np.ndarray
    norm: np.ndarray


def unit_images(standardised: np.ndarray) -> Features:
    """Apply KIP's layer normalisation: take the mean off each row of float32 [n, d], then divide by its length.

    A row of equal entries has only rounding left: it becomes 0, not amplified noise. The smallest real difference, one
    grey level in one pixel, leaves a length above 1/128, far above the threshold.
    """
    mean = standardised.mean(axis=1, dtype=np.float64)
    centred = standardised - mean[:, None].astype(np.float32)
    norm = np.sqrt(np.einsum("nd,nd->n", centred, centred, dtype=np.float64))
    flat = norm <= 1e-6 * np.sqrt(standardised.shape[1])
    scale = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, norm))
    return Features(centred * scale[:, None].astype(np.float32), mean, norm)


def plain_images(scaled: np.ndarray) -> Features:
    """Take rows of float32 [n, d], within -1..1, as they are."""
    return Features(scaled, np.zeros(len(scaled)), np.ones(len(scaled)))


@dataclass(frozen=True, eq=False)
class Scatter:
    """Sum of x x^T over images x, in fixed point; of images cut into g blocks of e features, for each block.

    count: images summed
    total: int64 [d, d] or [g, e, e] sum of x x^T, in units of 2^-36
    first: int64 [d] or [g, e] sum of x, in units of 2^-36
    mean: sum of the images' means, in units of 2^-36
    norm: sum of the images' lengths, in units of 2^-36
    """

    count: int
    total: np.ndarray
    first: np.ndarray
    mean: int
    norm: int

    @classmethod
    def of(cls, images: Features, blocks: Blocks | None = None) -> "Scatter":
        """Sum one batch: a float32 product, whose rounding depends on this batch only, then fixed point."""
        x = images.features if blocks is None or not blocks.side else blocks.cut(images.features)
        product = (np.swapaxes(x, -1, -2) @ x).astype(np.float64)
        np.rint(np.multiply(product, 2.0**_POINT, out=product), out=product)
        first = np.rint(x.sum(axis=-2, dtype=np.float64) * 2.0**_POINT).astype(np.int64)
        sums = [round(float(values.sum()) * 2**_POINT) for values in (images.mean, images.norm)]
        return cls(len(images.mean), product.astype(np.int64), first, *sums)

    def merge(self, other: "Scatter") -> "Scatter":
        """Add the sum of other images. Exactly associative and commutative.

        Adds into `self.total`, to save a copy of 75 MB at 32x32x3: do not use `self` afterwards.

        Raises:
          DataError: there are more images than fixed point can count.
        """
        count = self.count + other.count
        if count >= _MAX_IMAGES:
            raise DataError(f"{count} images to whiten; allowed: fewer than {_MAX_IMAGES}; use whiten = 'standard'")
        self.total.__iadd__(other.total)
        return Scatter(count, self.total, self.first + other.first, self.mean + other.mean, self.norm + other.norm)

    def second_moment(self) -> np.ndarray:
        """Return X^T X / n, float64 [d, d] or [g, e, e]: KIP's covariance, not centred."""
        return self.total * (2.0**-_POINT / self.count)

    def feature_mean(self) -> np.ndarray:
        """Return the mean of X, float64 [d] or [g, e]."""
        return self.first * (2.0**-_POINT / self.count)

    def covariance(self) -> np.ndarray:
        """Return the unbiased covariance (X - m)^T (X - m) / (n - 1), float64 [d, d] or [g, e, e]."""
        mean = self.feature_mean()
        covariance = self.second_moment()
        covariance -= mean[..., :, None] * mean[..., None, :]
        covariance *= self.count / max(self.count - 1, 1)
        return covariance

    def image_mean(self) -> float:
        """Average the images' means."""
        return self.mean / self.count / 2**_POINT

    def image_norm(self) -> float:
        """Average the images' lengths."""
        return self.norm / self.count / 2**_POINT
