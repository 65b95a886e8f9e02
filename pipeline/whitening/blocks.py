"""Cut images into square blocks that are whitened apart: for 64 pixels and more, where one matrix is too large.

Letters: h, w, c the image; b side of a block; g = (h / b) (w / b) blocks, in rows; e = b * b * c features of one.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Blocks:
    """How images are cut.

    image_shape: (h, w, c)
    side: b, a divisor of h and of w; 0 for one block, the image
    """

    image_shape: tuple[int, int, int]
    side: int

    @property
    def count(self) -> int:
        """Number of blocks of an image, g."""
        height, width, _ = self.image_shape
        return (height // self.side) * (width // self.side) if self.side else 1

    @property
    def features(self) -> int:
        """Number of features of a block, e."""
        height, width, channels = self.image_shape
        return height * width * channels // self.count

    def cut(self, rows: np.ndarray) -> np.ndarray:
        """Cut images [n, d] into blocks [g, n, e]."""
        if not self.side:
            return rows[None]
        height, width, channels = self.image_shape
        b = self.side
        tiled = rows.reshape(-1, height // b, b, width // b, b, channels)
        return tiled.transpose(1, 3, 0, 2, 4, 5).reshape(self.count, len(rows), self.features)

    def join(self, blocks: np.ndarray) -> np.ndarray:
        """Join blocks [g, n, e] to images [n, d]."""
        if not self.side:
            return blocks[0]
        height, width, channels = self.image_shape
        b = self.side
        tiled = blocks.reshape(height // b, width // b, -1, b, b, channels)
        return tiled.transpose(2, 0, 3, 1, 4, 5).reshape(blocks.shape[1], -1)
