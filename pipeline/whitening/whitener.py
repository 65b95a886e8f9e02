"""`Whitener`: pixels to the space that the kernels see, and back.

    x = (p / 255 - mu_c) / sigma_c               of pixels p, channel by channel
    z = (x - mean(x)) / |x - mean(x)|            of each image, only where `per_image_norm` is set; else z = x
    y = W (z - m)                                only where there is a W; else y = z

Each kind of whitening chooses these numbers in its own module: kip_zca, kornia_zca, standard, none.

Letters: n images, d = h * w * c features, c channels; g blocks of e features.
"""

import functools
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from etils import epath

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.storage.files import whole
from kerneldistill.pipeline.untrusted.numpy_arrays import read_npz
from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.moments import unit_images
from kerneldistill.pipeline.whitening.registry import WHITENINGS
from kerneldistill.pipeline.whitening.validity import fault_of

_VERSION = 2
_ROWS = 1000
# Of a file: two matrices of some eight thousand features.
_MAX_BYTES = 1 << 30


class Forgotten(NamedTuple):
    """What a whitening with `per_image_norm` takes off each image and does not keep, in channel-standardised units.

    mean: float64 [n] the images' means
    norm: float64 [n] the lengths of what is left
    """

    mean: np.ndarray
    norm: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Whitener:
    """A fitted whitening with its inverse. Pixels are 0..255.

    kind: kip_zca, kornia_zca, standard or none
    image_shape: (h, w, c)
    block: side of the square blocks that are whitened apart, in pixels; 0: the image is one
    input_scale: pixels are divided by it first (255)
    channel_mean: float64 [c] mean of the scaled pixels of train
    channel_std: float64 [c] standard deviation of the scaled pixels of train
    per_image_norm: whether each image is brought to mean 0 and length 1
    feature_mean: float64 [d] m, taken off before W (0 in kip_zca)
    W: float64 [d, d] symmetric; [g, e, e] for g blocks of e features; or [0, 0] where there is none
    W_inv: float64, its inverse, or [0, 0]
    reg: ridge of the covariance
    reg_mode: `relative` (times trace / d) or `absolute`
    fit_split: the split it was fitted on
    n_fit: images it was fitted on
    image_mean: average over those of the per-image mean, in channel-standardised units
    image_norm: average over those of the per-image length, in channel-standardised units
    data_fingerprint: hex digest of the data and configuration it was fitted on
    """

    kind: str
    image_shape: tuple[int, int, int]
    block: int
    input_scale: float
    channel_mean: np.ndarray
    channel_std: np.ndarray
    per_image_norm: bool
    feature_mean: np.ndarray
    W: np.ndarray
    W_inv: np.ndarray
    reg: float
    reg_mode: str
    fit_split: str
    n_fit: int
    image_mean: float
    image_norm: float
    data_fingerprint: str

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        return f"Whitener({self.kind}, images of {shape}, fitted to {self.n_fit:,})"

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Whiten images [n, h, w, c] of pixels 0..255, uint8 or floating, to float32 [n, h, w, c].

        Raises:
          DataError: the images are of another shape than the whitener's, or floating and nowhere above 1.
        """
        images = self._checked(images)
        if images.dtype.kind == "f" and images.size and 0 < images.max() <= 1:
            raise DataError(
                f"images are floating, from {images.min():.3g} to {images.max():.3g}, and pixels are 0 to 255: "
                "multiply them by 255"
            )
        whitened = np.empty(images.shape, np.float32)
        for start in range(0, len(images), _ROWS):
            rows = self.standardise(images[start : start + _ROWS]).reshape(-1, self.feature_mean.size)
            if self.per_image_norm:
                rows = unit_images(rows).features
            if self.W.size:
                rows = self._times(rows - self.feature_mean.astype(np.float32), self._W32)
            whitened[start : start + _ROWS] = rows.reshape(-1, *self.image_shape)
        return whitened

    def invert(self, whitened: np.ndarray, forgotten: Forgotten | None = None) -> np.ndarray:
        """Return the pixels of whitened images [n, h, w, c]: float32 [n, h, w, c], 0..255 but not clipped.

        This is exact, except that `kip_zca` forgets two numbers of each image, its mean and its length. Without
        `forgotten` the averages over train stand in: the picture is then right up to brightness and contrast.

        Raises:
          DataError: the images are of another shape than the whitener's.
        """
        whitened = self._checked(whitened)
        images = np.empty(whitened.shape, np.float32)
        for start in range(0, len(images), _ROWS):
            part = slice(start, start + _ROWS)
            rows = whitened[part].reshape(-1, self.feature_mean.size).astype(np.float64)
            if self.W_inv.size:
                rows = self._times(rows, self.W_inv) + self.feature_mean
            if self.per_image_norm:
                mean, norm = (
                    (self.image_mean, self.image_norm) if forgotten is None else (x[part, None] for x in forgotten)
                )
                rows = rows * norm + mean
            pixels = rows.reshape(-1, *self.image_shape) * self.channel_std + self.channel_mean
            images[part] = pixels * self.input_scale
        return images

    def forgotten(self, images: np.ndarray) -> Forgotten:
        """Measure the two numbers of each image [n, h, w, c] that `apply` drops where `per_image_norm` is set."""
        rows = self.standardise(self._checked(images)).reshape(-1, self.feature_mean.size)
        unit = unit_images(rows)
        return Forgotten(unit.mean, unit.norm)

    def standardise(self, images: np.ndarray) -> np.ndarray:
        """Apply the first step alone to images [n, h, w, c]: (p / 255 - mu_c) / sigma_c, as float32."""
        slope = 1.0 / (self.input_scale * self.channel_std)
        return images * slope.astype(np.float32) - (self.channel_mean / self.channel_std).astype(np.float32)

    def save(self, path: epath.PathLike) -> None:
        """Write an .npz, whole or not at all; the same whitener gives the same bytes."""
        with whole(epath.Path(path)) as temporary, open(temporary, "wb") as file:
            np.savez(file, version=_VERSION, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: epath.PathLike) -> "Whitener":
        """Read what `save` wrote.

        Raises:
          DataError: the file is missing, damaged, of another version or kind, or its numbers make no whitening.
        """
        try:
            arrays = read_npz(path, texts=True, most=_MAX_BYTES)
            if (version := arrays["version"].item()) != _VERSION:
                raise DataError(f"whitener {path} has version {version!r:.20}; this program reads {_VERSION}")
            values = {field.name: arrays[field.name] for field in fields(cls)}
            scalars = {name: value.item() for name, value in values.items() if value.ndim == 0}
            whitener = cls(**{**values, **scalars, "image_shape": tuple(values["image_shape"].tolist())})
            fault = fault_of(whitener)
        except DataError:
            raise
        except Exception as error:  # of any class: it depends on the byte that is damaged
            raise DataError(
                f"{path} is not a readable whitener ({first_line(error)}); restore the file, or make it again"
            ) from error
        if whitener.kind not in WHITENINGS:
            raise DataError(f"{path} is a whitener of kind {whitener.kind!r:.80}; allowed: {', '.join(WHITENINGS)}")
        if fault is not None:
            raise DataError(f"{path} is no whitening: {fault}; restore the file, or make it again")
        return whitener

    @functools.cached_property
    def _W32(self) -> np.ndarray:  # noqa: N802
        return self.W.astype(np.float32)

    def _times(self, rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Multiply rows [n, d] by a matrix [d, d], or block by block by [g, e, e]."""
        if matrix.ndim == 2:
            return rows @ matrix
        blocks = Blocks(self.image_shape, self.block)
        return blocks.join(blocks.cut(rows) @ matrix)

    def _checked(self, images: np.ndarray) -> np.ndarray:
        images = np.asarray(images)
        if images.shape[1:] != self.image_shape:
            raise DataError(
                f"images are {images.shape}; this whitener is for [n, {', '.join(map(str, self.image_shape))}]"
            )
        return images
