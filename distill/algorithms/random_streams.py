"""Random draws: first images, target batches, baselines, kernels, each from a stream of its own."""

from enum import IntEnum

import numpy as np

from kerneldistill.config.data_limits import images_per_class


class Stream(IntEnum):
    """Independent sequences of random numbers under one seed."""

    START = 0
    TARGETS = 1
    BASELINE = 2
    KERNEL = 3
    FEATURES = 4
    AUGMENT = 5
    REFIT = 6


def generator(seed: int, stream: Stream, index: int = 0) -> np.random.Generator:
    """The generator of draw `index` of a stream: a function of its arguments alone, so a resumed run draws the same."""
    return np.random.default_rng((seed, int(stream), index))


def seed_of(seed: int, stream: Stream, index: int = 0) -> int:
    """A whole number below 2^63 for `jax.random.key`: as `generator`, a function of its arguments alone."""
    return int(generator(seed, stream, index).integers(2**63))


def balanced(labels: np.ndarray, num_classes: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `size` images without replacement, the classes as equally as they allow.

    Args:
      labels: int [n] class of each image
      num_classes: k
      size: how many; all are taken if there are no more
      rng: consumed

    Returns:
      int64 [min(size, n)] rows, class-major.
    """
    present = np.bincount(labels, minlength=num_classes)
    quota = np.minimum(images_per_class(size, num_classes), present)
    # What a scarce class cannot give is dealt to the others.
    while (missing := min(size, len(labels)) - quota.sum()) > 0:
        open_classes = np.flatnonzero(quota < present)
        # Those that have less come first where not all get one.
        open_classes = open_classes[np.argsort(quota[open_classes], kind="stable")][:missing]
        share = max(1, missing // len(open_classes))
        quota[open_classes] = np.minimum(quota[open_classes] + share, present[open_classes])
    order = np.lexsort((rng.random(len(labels)), labels))
    starts = np.cumsum(present) - present
    return np.concatenate([order[start : start + take] for start, take in zip(starts, quota, strict=True)])
