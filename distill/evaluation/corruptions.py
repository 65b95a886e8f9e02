"""Test images made worse, in a few named ways: kinds of Hendrycks & Dietterich 2019 (1903.12261), and a shift.

Each takes pixels uint8 [n, h, w, c] and returns pixels float32 [n, h, w, c], 0..255, the same for the same images.
"""

import io
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
from PIL import Image
from scipy import ndimage

Corruption = Callable[[np.ndarray], np.ndarray]

# Strengths of about the middle of the five severities there, of CIFAR-10-C.
_NOISE = 0.1
_CONTRAST = 0.4
_QUALITY = 25


def noise(pixels: np.ndarray) -> np.ndarray:
    """Gaussian noise of a tenth of the range."""
    drawn = np.random.default_rng(0).normal(scale=255 * _NOISE, size=pixels.shape)
    return _pixels(pixels + drawn)


def blur(pixels: np.ndarray) -> np.ndarray:
    """Gaussian blur, of a fortieth of the height and at least half a pixel."""
    sigma = max(0.5, pixels.shape[1] / 40)
    return _pixels(ndimage.gaussian_filter(pixels.astype(np.float64), (0, sigma, sigma, 0), mode="nearest"))


def contrast(pixels: np.ndarray) -> np.ndarray:
    """Two fifths of the contrast, about each image's mean."""
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    return _pixels(mean + _CONTRAST * (pixels - mean))


def jpeg(pixels: np.ndarray) -> np.ndarray:
    """JPEG of quality 25; channels that are not three are compressed one by one."""
    if pixels.shape[3] == 3:
        return np.stack([_compressed(image) for image in pixels]).astype(np.float32)
    channels = [np.stack([_compressed(plane) for plane in planes]) for planes in np.moveaxis(pixels, 3, 0)]
    return np.stack(channels, axis=3).astype(np.float32)


def shift(pixels: np.ndarray) -> np.ndarray:
    """An eighth of the size to the right and down; the edge is repeated."""
    down, right = (max(1, round(side / 8)) for side in pixels.shape[1:3])
    padded = np.pad(pixels, ((0, 0), (down, 0), (right, 0), (0, 0)), mode="edge")
    return padded[:, :-down, :-right].astype(np.float32)


CORRUPTIONS: MappingProxyType[str, Corruption] = MappingProxyType(
    {each.__name__: each for each in (noise, blur, contrast, jpeg, shift)}
)


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.float32)


def _compressed(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY)
    return np.asarray(Image.open(buffer))
