"""Handwritten digits as a user's arrays, and settings that learn from them in seconds."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

FAST: dict[str, Any] = {"kernel": {"network": "fc", "depth": 1}, "optim": {"steps": 12, "target_batch": 100}}


class Digits(NamedTuple):
    """uint8 [n, 8, 8] images and int [n] labels, to learn from and to test on."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def digits_arrays(train: int = 600, test: int = 200) -> Digits:
    """The first images of scikit-learn's digits."""
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    both = slice(train), slice(train, train + test)
    return Digits(*(array[part] for part in both for array in (images, bunch.target)))
