"""`Statistics`: mean, deviation and range of whitened pixels, channel by channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge


@dataclass(frozen=True)
class Statistics:
    """Statistics of the pixels of all images, for each of c channels, in whitened units.

    num_pixels: pixels of a channel, over all images
    mean: [c]
    std: [c] population standard deviation
    min: [c]
    max: [c]
    """

    num_pixels: Annotated[int, Ge(1)]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    min: tuple[float, ...]
    max: tuple[float, ...]

    @property
    def channels(self) -> int:
        """Number of channels; -1 where the columns are not equally long, which a damaged file may say."""
        lengths = {len(column) for column in (self.mean, self.std, self.min, self.max)}
        return lengths.pop() if len(lengths) == 1 else -1

    @classmethod
    def of(cls, images: np.ndarray) -> "Statistics":
        """Measure float32 images [n, h, w, c], n at least 1; sum in float64."""
        pixels = images.reshape(-1, images.shape[-1])
        mean = pixels.mean(axis=0, dtype=np.float64)
        squares = np.einsum("nc,nc->c", pixels, pixels, dtype=np.float64) / len(pixels)
        std = np.sqrt(np.maximum(squares - mean**2, 0))
        columns = (mean, std, pixels.min(axis=0), pixels.max(axis=0))
        return cls(len(pixels), *(tuple(map(float, column)) for column in columns))

    @classmethod
    def merge(cls, parts: Sequence["Statistics"]) -> "Statistics":
        """Merge one part or more, in the order given, as the rounding depends on it."""
        counts = np.array([part.num_pixels for part in parts])
        means, stds = (np.array([getattr(part, field) for part in parts]) for field in ("mean", "std"))
        weights = counts / counts.sum()
        mean = weights @ means
        # Within the parts and between them; each is at least 0.
        std = np.sqrt(weights @ (stds**2 + (means - mean) ** 2))
        lowest = np.min([part.min for part in parts], axis=0)
        highest = np.max([part.max for part in parts], axis=0)
        columns = (mean, std, lowest, highest)
        return cls(int(counts.sum()), *(tuple(map(float, column)) for column in columns))
