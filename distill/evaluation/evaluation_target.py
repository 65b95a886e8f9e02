"""What is judged: a support with the prepared data it is judged on, from a run directory or from a bundle."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.scoring import random_support
from kerneldistill.algorithms.support import Support, real_support
from kerneldistill.config.schema import KernelConfig
from kerneldistill.evaluation.dd_ranking import (
    augmentation_robust_score,
    hard_label_recovery,
    improvement_over_random,
    label_robust_score,
)
from kerneldistill.evaluation.protocol_result import ProtocolResult, Shifts, Toggled, Trained, WholeTrain, set_sha256
from kerneldistill.pipeline.split import Split

# How many times as many images as the support random real sets have, beside those of its size, where a line is drawn
# through what they reach on shifted images.
LADDER = (2, 4, 8)


class EvaluationTarget(NamedTuple):
    """A support and all that judging it needs.

    support: images [s, h, w, c] in the space of `data`, labels float64 [s, k]
    train: images to draw random ones from
    validation: images to choose by
    test: images to report on
    dataset: name of the data set
    num_classes: k
    space: what the images of the splits are, as in `TrainingUnit`
    kernel: of the run that made it
    ridge: of the run that made it
    flip: whether regressions of that run are from the images and their mirror images
    seed: of random draws
    shifts: test splits that are shifted, by name; as whitened as `test`
    shifted_space: what these are, as in `space`
    """

    support: Support
    train: Split
    validation: Split
    test: Split
    dataset: str
    num_classes: int
    space: str
    kernel: KernelConfig
    ridge: float
    flip: bool
    seed: int
    shifts: Mapping[str, Split] = MappingProxyType({})
    shifted_space: str = ""

    @property
    def digest(self) -> str:
        """Of the support's images and labels."""
        return set_sha256(*self.support)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c)."""
        return self.test.images.shape[1:]

    @property
    def tested(self) -> str:
        """What the images are that scores on test are of, the shifted ones included."""
        return f"{self.space}, shifted: {self.shifted_space}" if self.shifts else self.space

    @property
    def ladder_sizes(self) -> tuple[int, ...]:
        """How many images random real sets have that are tested on shifted splits, too: as far as train has them."""
        sizes = (times * len(self.support.images) for times in LADDER)
        most = self.num_classes * int(np.bincount(self.train.labels, minlength=self.num_classes).min())
        return tuple(size for size in sizes if size <= most) if self.shifts else ()

    def unshifted(self) -> "EvaluationTarget":
        """Return the target without shifted splits."""
        return self._replace(shifts=MappingProxyType({}), shifted_space="")

    def random_of_size(self, size: int) -> Support:
        """Return random images of train, class-balanced, with centred one-hot labels."""
        return random_support(self.train, self.num_classes, size, self.seed, 0, self.support.images.dtype)

    def hard(self) -> Support:
        """Return the support with centred one-hot labels, the class of each label's largest entry."""
        return Support(self.support.images, centred_one_hot(self.support.labels.argmax(1), self.num_classes))

    def is_hard(self) -> bool:
        """Return whether the labels are centred one-hot; those of a bundle are so to float32."""
        return bool(np.allclose(self.support.labels, self.hard().labels, rtol=0, atol=1e-6))

    def random_real(self, draw: int) -> Support:
        """Return random images of train, as many as the support's, class-balanced, with centred one-hot labels."""
        images = self.support.images
        return random_support(self.train, self.num_classes, len(images), self.seed, draw, images.dtype)

    def whole_train(self) -> Support:
        """Return the whole train split with centred one-hot labels."""
        return real_support(self.train, np.arange(len(self.train)), self.num_classes, self.support.images.dtype)

    def result(
        self,
        protocol: str,
        network: str,
        learned: Trained,
        hard: Trained | None,
        random_real: Trained,
        whole_train: WholeTrain | None,
        toggled: Toggled | None = None,
        shifts: Shifts | None = None,
    ) -> ProtocolResult:
        """Return what a protocol found of this support, with DD-Ranking's figures; arguments as in `ProtocolResult`."""
        ior = improvement_over_random(learned, random_real)
        hlr = hard_label_recovery(hard or learned, whole_train)
        trained = (
            learned,
            hard,
            random_real,
            whole_train,
            *((toggled.learned, toggled.random_real) if toggled else ()),
        )
        return ProtocolResult(
            protocol=protocol,
            network=network,
            support_sha256=self.digest,
            support_size=len(self.support.images),
            num_test=len(self.test),
            learned=learned,
            hard=hard,
            random_real=random_real,
            whole_train=whole_train,
            ior=ior,
            hlr=hlr,
            seconds=sum(each.seconds for each in (*trained, *(shifts.ladder if shifts else ())) if each is not None),
            toggled=toggled,
            lrs=label_robust_score(learned, random_real, hard or learned, whole_train),
            ars=augmentation_robust_score(learned, random_real, toggled),
            shifts=shifts,
        )
