"""The protocol `krr`: kernel ridge regression (2107.13034, eq. 1) from a support, with any kernel.

Nothing is trained: the support has one score, and random real images have one for each draw.
"""

import time
from collections.abc import Sequence

import numpy as np

from distill.config import KernelConfig
from distill.evaluate import evaluate
from distill.finite.protocols import KRR
from distill.finite.subject import Subject
from distill.model import engine_of
from distill.protocol_result import (
    ProtocolResult,
    SeedScore,
    Trained,
    WholeTrain,
    hard_label_recovery,
    improvement_over_random,
)
from distill.support import Support, regressed
from distill.targets import Targets
from kernels.engine import Engine

# The kernel of 20,000 images takes 3 GB in float64; larger train splits are left out.
MOST_WHOLE = 20_000


def kernel_name(kernel: KernelConfig) -> str:
    """A kernel in a few words."""
    more = "" if kernel.activation == "relu" else f" {kernel.activation}"
    return f"{kernel.network} d{kernel.depth}{more} {kernel.get}"


def judged_by_krr(subject: Subject, kernel: KernelConfig, seeds: Sequence[int], measure_whole: bool) -> ProtocolResult:
    """The result of kernel ridge regression on the whole test split.

    Args:
      subject: the support and its data
      kernel: which
      seeds: draws of random real images
      measure_whole: regress from the whole train split too, where it has at most `MOST_WHOLE` images

    Raises:
      UserError: a kernel cannot be inverted, or the images are too small for the network.
    """
    began = time.perf_counter()
    engine = engine_of(kernel, subject.image_shape)
    test = Targets(engine, subject.test, subject.num_classes)

    def trained(supports: Sequence[Support]) -> Trained:
        return Trained(tuple(_score(engine, s, test, subject, seed) for s, seed in zip(supports, seeds, strict=False)))

    learned = trained([subject.support])
    hard = None if subject.is_hard() else trained([subject.hard()])
    random_real = trained([subject.random_real(seed) for seed in seeds])
    whole = None
    if measure_whole and len(subject.train) <= MOST_WHOLE:
        whole = WholeTrain(trained([subject.whole_train()]).mean, "measured by krr")
    return ProtocolResult(
        protocol=KRR,
        network=kernel_name(kernel),
        support_sha256=subject.digest,
        support_size=len(subject.support.images),
        num_test=len(subject.test),
        learned=learned,
        hard=hard,
        random_real=random_real,
        whole_train=whole,
        ior=improvement_over_random(learned, random_real),
        hlr=hard_label_recovery(hard or learned, whole),
        seconds=time.perf_counter() - began,
    )


def _score(engine: Engine, support: Support, test: Targets, subject: Subject, seed: int) -> SeedScore:
    began = time.perf_counter()
    given = Support(support.images.astype(engine.dtype, copy=False), support.labels.astype(np.float64, copy=False))
    found = evaluate(engine, regressed(given, subject.flip), test, subject.ridge)
    return SeedScore(seed, found.accuracy, found.mse, None, time.perf_counter() - began)
