"""The validation images that are held out of training: class-balanced, seeded, the same on every machine."""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Holdout:
    """Which images of the train batches are held out.

    masks: bool [n] for each train batch, in order: whether an image is for validation
    """

    masks: tuple[np.ndarray, ...]

    @property
    def num_train(self) -> int:
        """Number of images left for training."""
        return sum(int((~mask).sum()) for mask in self.masks)


def rank(key: str, seed: int) -> int:
    """Hash the name of an example to 64 bits; in each class the lowest are held out.

    A keyed hash and not a random number generator: the draw depends on no library's version, and the rank of an example
    not on the others, so a picture found corrupt later changes little of who is held out.
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=seed.to_bytes(8, "little")).digest()
    return int.from_bytes(digest, "little")


def hold_out(labels: np.ndarray, ranks: np.ndarray, num_classes: int, fraction: float) -> np.ndarray:
    """Choose the examples to hold out: fraction * n / k of each class, rounded, but at most half of what it has.

    Args:
      labels: [n] class index below `num_classes` (k)
      ranks: uint64 [n] rank of each example; the lowest of each class are taken
      num_classes: k
      fraction: part of all examples to hold out

    Returns:
      bool [n]
    """
    held_out = np.zeros(len(labels), bool)
    quota = round(fraction * len(labels) / num_classes)
    for label in range(num_classes):
        (members,) = np.nonzero(labels == label)
        chosen = np.argsort(ranks[members], kind="stable")[: min(quota, len(members) // 2)]
        held_out[members[chosen]] = True
    return held_out
