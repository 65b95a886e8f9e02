"""A learned matrix that all images of the support are multiplied by, pixels as vectors: RFAD's `transform_mat`.

The learned set is x = z M, with z [s, d] and M [d, d] both moved by the optimiser, M from the identity (Loo et al.
2022, 2210.12067; `distill_dataset` of distillation.py in github.com/yolky/RFAD). It shares what one image learns about
the pixels with the others: a preconditioner that costs d^2 numbers and their moments.
"""

from typing import NamedTuple

import numpy as np


class PixelTransform(NamedTuple):
    """What a transformed set is made of.

    images: [s, h, w, c] before the matrix
    matrix: [h w c, h w c]
    """

    images: np.ndarray
    matrix: np.ndarray

    @classmethod
    def identity(cls, images: np.ndarray) -> "PixelTransform":
        """Leave images [s, h, w, c] as they are."""
        return cls(images, np.eye(images[0].size, dtype=images.dtype))

    def applied(self) -> np.ndarray:
        """The set [s, h, w, c]."""
        return (_flat(self.images) @ self.matrix).reshape(self.images.shape)

    def pulled_back(self, gradient: np.ndarray) -> "PixelTransform":
        """Pull a gradient by the set [s, h, w, c] back to both parts."""
        by_images = _flat(gradient) @ self.matrix.T
        return PixelTransform(by_images.reshape(gradient.shape), _flat(self.images).T @ _flat(gradient))


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)
