"""The problem that an algorithm of the outer loop solves."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.step_kernels import Kernels, kernels_of, validation_engine
from kerneldistill.algorithms.support import Support
from kerneldistill.algorithms.target_augmentation import Augmentation
from kerneldistill.algorithms.targets import Change, Targets
from kerneldistill.config.schema import Config
from kerneldistill.kernels.engine import Engine
from kerneldistill.pipeline import Prepared


class Problem(NamedTuple):
    """The problem that an algorithm solves.

    config: of the run
    engine: the kernel by which the set is judged on validation
    start: the support at step 0
    train: targets to learn from
    validation: targets to choose by, columns of `engine`
    kernels: by which each step learns; None: that of `train` in all
    augmentation: of the targets of each step; None for none
    """

    config: Config
    engine: Engine
    start: Support
    train: Targets
    validation: Targets
    kernels: Kernels | None = None
    augmentation: Augmentation | None = None

    def targets(self, step: int) -> Targets:
        """The targets under the kernel of step `step`, counted from 0."""
        return self.train if self.kernels is None else self.kernels(step)

    def batch(self, step: int, size: int) -> np.ndarray:
        """Draw the targets [size] of step `step`, class-balanced and class-major; all if there are no more."""
        rng = generator(self.config.seed, Stream.TARGETS, step)
        return balanced(self.train.split.labels, self.train.num_classes, size, rng)

    def change(self, step: int) -> Change | None:
        """How step `step` augments its targets' images; None if it does not."""
        return None if self.augmentation is None else self.augmentation.at(step)


def problem_of(config: Config, data: Prepared, engine: Engine, start: Support, features: Path | None = None) -> Problem:
    """Set up the problem of a run on prepared data; `engine` is of `config.kernel`.

    features: where those of an encoder are kept

    Validation judges by `engine`, whichever kernels the steps draw: by it the set is tested, and a choice by another
    would be a choice of another set. Under random features it judges by an estimate that is drawn once.
    """
    num_classes = len(data.manifest.class_names)
    train = Targets(engine, data.train, num_classes, folder=features)
    judge = validation_engine(config, train)
    validation = Targets(judge, data.validation, num_classes, folder=features)
    augmentation = None
    if config.augment.names:
        augmentation = Augmentation.of(config.augment, data.whitener, data.train.images, config.seed)
    return Problem(config, judge, start, train, validation, kernels_of(config, train), augmentation)
