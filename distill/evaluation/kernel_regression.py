"""The protocol `krr`: kernel ridge regression (2107.13034, eq. 1) from a support, with any kernel.

Nothing is trained: the support has one score, and random real images have one for each draw.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.config.schema import KernelConfig
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Trained, WholeTrain, set_sha256
from kerneldistill.evaluation.protocols import KRR
from kerneldistill.evaluation.score_cache import ScoreCache, Unit
from kerneldistill.kernels.engine import Engine
from kerneldistill.runtime.console import duration, tell

# The kernel of 20,000 images takes 3 GB in float64; larger train splits are left out.
MOST_WHOLE = 20_000


@dataclass(frozen=True)
class RegressionUnit(Unit):
    """One regression, scored on test.

    kernel: which
    ridge: relative to the mean diagonal
    flip: whether from the images and their mirror images
    set_sha256: digest of the images and labels
    space: as in `TrainingUnit`
    seed: of the draw where the set is random
    """

    kernel: KernelConfig
    ridge: float
    flip: bool
    set_sha256: str
    space: str
    seed: int

    @property
    def words(self) -> str:
        """Kernel and seed."""
        return f"{self.kernel.network}-{self.kernel.get}-{self.seed}"


@dataclass(frozen=True, eq=False)
class KernelEvaluation:
    """Kernel ridge regression by one kernel, on a target.

    target: the support and its data
    kernel: which
    cache: what is finished
    """

    target: EvaluationTarget
    kernel: KernelConfig
    cache: ScoreCache

    def result(self, seeds: Sequence[int], measure_whole: bool = False) -> ProtocolResult:
        """Regress from every kind of set and return what was found; what is finished is not done again.

        Args:
          seeds: draws of random real images
          measure_whole: regress from the whole train split too, where it has at most `MOST_WHOLE` images

        Raises:
          UserError: the images are too small for the network, a kernel cannot be inverted, or what is kept of earlier
            evaluations is damaged.
        """
        target = self.target
        learned = Trained((self._score("the set", target.support, seeds[0]),))
        hard = None
        if not target.is_hard():
            hard = Trained((self._score("the set with one-hot labels", target.hard(), seeds[0]),))
        random_real = Trained(
            tuple(self._score("random real images", target.random_real(seed), seed) for seed in seeds)
        )
        whole = None
        if measure_whole and len(target.train) <= MOST_WHOLE:
            found = self._score(f"all {len(target.train):,} images of train", target.whole_train(), seeds[0])
            whole = WholeTrain(found.accuracy, f"measured by {KRR}", found.seconds)
        return target.result(KRR, kernel_name(self.kernel), learned, hard, random_real, whole)

    @cached_property
    def _engine(self) -> Engine:
        return engine_of(self.kernel, self.target.image_shape)

    @cached_property
    def _test(self) -> Targets:
        return Targets(self._engine, self.target.test, self.target.num_classes)

    def _score(self, what: str, support: Support, seed: int) -> SeedScore:
        target = self.target
        unit = RegressionUnit(self.kernel, target.ridge, target.flip, set_sha256(*support), target.space, seed)
        if (kept := self.cache.find(unit)) is not None:
            return kept
        began = time.perf_counter()
        images = support.images.astype(self._engine.dtype, copy=False)
        given = regressed(Support(images, support.labels.astype(np.float64, copy=False)), target.flip)
        found = evaluate(self._engine, given, self._test, target.ridge)
        score = SeedScore(seed, found.accuracy, found.mse, None, time.perf_counter() - began)
        self.cache.keep(unit, score)
        tell(f"{KRR}, {kernel_name(self.kernel)}, {what}: test {score.accuracy:.1%} ({duration(score.seconds)})")
        return score
