"""`Split`: the images of one part of a prepared data set."""

from dataclasses import dataclass

import numpy as np

from kerneldistill.pipeline.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images and their labels.

    images: float32 [n, h, w, c] whitened pixels
    labels: int32 [n] class index
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        """Raise DataError if shapes or types are not those above."""
        if self.images.ndim != 4 or self.images.dtype != np.float32:
            raise DataError(f"images are {self.images.dtype} {self.images.shape}; needed: float32 [n, h, w, c]")
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int32:
            raise DataError(
                f"labels are {self.labels.dtype} {self.labels.shape}; needed: int32 [{len(self.images)}], one per image"
            )

    def __repr__(self) -> str:
        return f"Split({len(self):,} images of {'x'.join(map(str, self.images.shape[1:]))})"

    def __len__(self) -> int:
        return len(self.labels)
