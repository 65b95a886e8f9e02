"""The draw of the validation images: class-balanced, seeded, the same on every machine."""

import hashlib

import numpy as np


def rank(key: str, seed: int) -> int:
    """Place of an example in the draw: 64 bits of a keyed hash of its name.

    A hash instead of a random number generator, so that the draw depends on no library's version, and an example's
    place not on the other examples: a picture found corrupt later changes little of who is held out.
    """
    return int.from_bytes(
        hashlib.blake2b(key.encode(), digest_size=8, key=seed.to_bytes(8, "little")).digest(), "little"
    )


def draw_validation(labels: np.ndarray, ranks: np.ndarray, num_classes: int, fraction: float) -> np.ndarray:
    """Which examples are held out for validation.

    Each class gives the same number, fraction * n / k rounded, but never more than half of what it has.

    Args:
      labels: [n] class index below `num_classes` (k)
      ranks: uint64 [n] place of each example; the lowest of each class are taken
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
