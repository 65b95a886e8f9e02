"""A small target to judge: three classes that a network of few weights can tell apart."""

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.support import Support
from kerneldistill.config.schema import KernelConfig
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.pipeline.split import Split

SHAPE, CLASSES = (4, 4, 1), 3


def split(size: int, seed: int) -> Split:
    """Images around one pattern for each class."""
    labels = (np.arange(size) % CLASSES).astype(np.int32)
    patterns = np.random.default_rng(99).standard_normal((CLASSES, *SHAPE))
    noise = np.random.default_rng(seed).standard_normal((size, *SHAPE))
    return Split((patterns[labels] + 0.5 * noise).astype(np.float32), labels)


def target(**changes: object) -> EvaluationTarget:
    """Three images with centred one-hot labels, and splits of 30, 15 and 24."""
    train, own = split(30, 0), split(3, 3)
    made = EvaluationTarget(
        support=Support(own.images.astype(np.float64), centred_one_hot(own.labels, CLASSES)),
        train=train,
        validation=split(15, 1),
        test=split(24, 2),
        dataset="patterns",
        num_classes=CLASSES,
        space="f" * 64,
        kernel=KernelConfig(network="fc", depth=1, dtype="float64"),
        ridge=1e-6,
        flip=False,
        seed=7,
    )
    return made._replace(**changes)
