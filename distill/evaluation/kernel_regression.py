"""The protocol `krr`: kernel ridge regression (2107.13034, eq. 1) from a support, with any kernel.

Nothing is trained: the support has one score, and random real images have one for each draw.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import Support, regressed
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.config.schema import KernelConfig
from kerneldistill.evaluation.cache import Journal, unit_name
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Trained, WholeTrain, set_sha256
from kerneldistill.evaluation.protocols import KRR
from kerneldistill.evaluation.subject import Subject
from kerneldistill.kernels.engine import Engine
from kerneldistill.runtime.console import duration, tell

# The kernel of 20,000 images takes 3 GB in float64; larger train splits are left out.
MOST_WHOLE = 20_000


@dataclass(frozen=True)
class Regressed:
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

    @cached_property
    def name(self) -> str:
        """Name of its file."""
        return unit_name(f"{self.kernel.network}-{self.kernel.get}-{self.seed}", self)


class KernelJudge(NamedTuple):
    """Who judges, and what.

    subject: the support and its data
    kernel: which
    journal: what is finished
    engine: of the kernel
    test: the test split as targets
    """

    subject: Subject
    kernel: KernelConfig
    journal: Journal
    engine: Engine
    test: Targets


def kernel_judge(subject: Subject, kernel: KernelConfig, journal: Journal) -> KernelJudge:
    """A judge by a kernel.

    Raises:
      UserError: the images are too small for the network.
    """
    engine = engine_of(kernel, subject.image_shape)
    return KernelJudge(subject, kernel, journal, engine, Targets(engine, subject.test, subject.num_classes))


def judged_by_krr(judge: KernelJudge, seeds: Sequence[int], measure_whole: bool) -> ProtocolResult:
    """The result of kernel ridge regression on the whole test split.

    Args:
      judge: who judges, and what
      seeds: draws of random real images
      measure_whole: regress from the whole train split too, where it has at most `MOST_WHOLE` images

    Raises:
      UserError: a kernel cannot be inverted, or what is kept of earlier evaluations is damaged.
    """
    subject = judge.subject
    learned = Trained((_score(judge, "the set", subject.support, seeds[0]),))
    hard = None
    if not subject.is_hard():
        hard = Trained((_score(judge, "the set with one-hot labels", subject.hard(), seeds[0]),))
    scores = [_score(judge, "random real images", subject.random_real(seed), seed) for seed in seeds]
    random_real, whole = Trained(tuple(scores)), None
    if measure_whole and len(subject.train) <= MOST_WHOLE:
        found = _score(judge, f"all {len(subject.train):,} images of train", subject.whole_train(), seeds[0])
        whole = WholeTrain(found.accuracy, f"measured by {KRR}", found.seconds)
    return subject.result(KRR, kernel_name(judge.kernel), learned, hard, random_real, whole)


def _score(judge: KernelJudge, what: str, support: Support, seed: int) -> SeedScore:
    subject, engine = judge.subject, judge.engine
    unit = Regressed(judge.kernel, subject.ridge, subject.flip, set_sha256(*support), subject.space, seed)
    if (kept := judge.journal.find(unit)) is not None:
        return kept
    began = time.perf_counter()
    given = Support(support.images.astype(engine.dtype, copy=False), support.labels.astype(np.float64, copy=False))
    found = evaluate(engine, regressed(given, subject.flip), judge.test, subject.ridge)
    score = SeedScore(seed, found.accuracy, found.mse, None, time.perf_counter() - began)
    judge.journal.keep(unit, score)
    tell(f"{KRR}, {kernel_name(judge.kernel)}, {what}: test {score.accuracy:.1%} ({duration(score.seconds)})")
    return score
