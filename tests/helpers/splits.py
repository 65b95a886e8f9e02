"""Small made-up data sets: noisy pictures of a prototype for each class."""

import numpy as np

from kerneldistill.pipeline.split import Split


def make_split(
    counts: tuple[int, ...], shape: tuple[int, int, int] = (6, 6, 1), seed: int = 0, noise: float = 1.0
) -> Split:
    """`counts[c]` images of class c, in random order; the prototypes are the same for every seed."""
    prototypes = np.random.default_rng(99).standard_normal((len(counts), *shape))
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)
    images = prototypes[labels] + noise * rng.standard_normal((len(labels), *shape))
    return Split(images.astype(np.float32), labels)
