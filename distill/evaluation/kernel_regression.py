"""The protocol `krr`: kernel ridge regression (2107.13034, eq. 1) from a support, with any kernel.

Nothing is trained: the support has one score, and random real images have one for each draw.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.ensemble import views
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.config.schema import KernelConfig, ViewName
from kerneldistill.evaluation.evaluation import RegressionEvaluation, RegressionUnit, Work
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, WholeTrain
from kerneldistill.evaluation.protocols import KRR
from kerneldistill.kernels.engine import Engine
from kerneldistill.runtime.console import duration

# The kernel of 20,000 images takes 3 GB in float64; larger train splits are left out.
MOST_WHOLE = 20_000


@dataclass(frozen=True)
class KernelUnit(RegressionUnit):
    """One regression by an exact kernel, scored on test.

    kernel: which
    flip: whether from the images and their mirror images
    ensemble: views of each test image, whose kernels are averaged
    """

    kernel: KernelConfig
    flip: bool
    ensemble: tuple[ViewName, ...] = ()

    @property
    def words(self) -> str:
        """Kernel and seed."""
        return f"{self.kernel.network}-{self.kernel.get}-{self.seed}"


@dataclass(frozen=True, eq=False)
class KernelEvaluation(RegressionEvaluation):
    """Kernel ridge regression by one exact kernel, on a target.

    kernel, ensemble: as in `KernelUnit`. Others as in `Evaluation`.
    """

    kernel: KernelConfig
    ensemble: tuple[ViewName, ...] = ()

    # Each has its part of the targets.
    dealt = False

    def result(self, seeds: Sequence[int], measure_whole: bool = False) -> ProtocolResult:
        """Regress from every kind of set, a train split of at most `MOST_WHOLE` images included; see `Evaluation`."""
        target, first = self.target, seeds[:1]
        hardens, whole = not target.is_hard(), measure_whole and len(target.train) <= MOST_WHOLE
        self.pace.total = 1 + hardens + len(seeds) + whole + len(target.ladder_sizes)
        learned = self.regressed("the set", [target.support], first)
        hard = self.regressed("the set with one-hot labels", [target.hard()], first) if hardens else None
        random_real = self.regressed("random real images", [target.random_real(seed) for seed in seeds], seeds)
        shifts = self.shifts(seeds[0])
        of_whole = None
        if whole:
            every = f"all {len(target.train):,} images of train"
            (found,) = self.regressed(every, [target.whole_train()], first).scores
            of_whole = WholeTrain(found.accuracy, f"measured by {KRR}", found.seconds)
        return target.result(KRR, self._name, learned, hard, random_real, of_whole, shifts=shifts)

    def unit(self, ridge: float, digest: str, space: str, seed: int) -> KernelUnit:
        """Return the unit of a set."""
        return KernelUnit(ridge, digest, space, seed, self.kernel, self.target.flip, self.ensemble)

    def line(self, work: Work, score: SeedScore) -> str:
        """Say what a score is."""
        took = duration(score.seconds)
        return f"{KRR}, {self._name}, {work.what}: test {score.accuracy:.1%} ({took})"

    def computed(self, work: Sequence[Work]) -> list[SeedScore]:
        """Regress from one set, with all processes."""
        (one,) = work
        unit, began = cast(KernelUnit, one.unit), time.perf_counter()
        images = one.support.images.astype(self._engine.dtype, copy=False)
        labels = one.support.labels.astype(np.float64, copy=False)
        given = regressed(Support(images, labels), unit.flip)
        seen = views(unit.ensemble)
        found, *shifted = (evaluate(self._engine, given, split, unit.ridge, seen) for split in self._tests)
        seconds = time.perf_counter() - began
        accuracies = tuple(score.accuracy for score in shifted)
        return [SeedScore(unit.seed, found.accuracy, found.mse, None, seconds, shifted=accuracies)]

    @property
    def _name(self) -> str:
        return " ".join([kernel_name(self.kernel), *(f"+{name}" for name in self.ensemble)])

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(self.kernel, self.target.image_shape)

    @cached_property
    def _tests(self) -> list[Targets]:
        """Test, and then each shifted one."""
        splits = (self.target.test, *self.target.shifts.values())
        return [Targets(self._engine, split, self.target.num_classes) for split in splits]
