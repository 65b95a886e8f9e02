"""The protocol `linear`: networks linearised at their first weights, which is kernel regression with their own NTK.

    f(x) = f_0(x) + grad f_0(x) (w - w_0)
Wide networks train as this model does (Lee et al. 2019, 1902.06720), whose kernel is the NTK of the finite network,
here its mean over outputs, and whose regression is that of `krr`. Beside the infinite kernel and the trained network it
tells what is lost where: from the kernel to this, the width is finite; from this to the trained one, features move.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.algorithms.krr import Regression
from kerneldistill.evaluation.evaluation import RegressionEvaluation, RegressionUnit, Work
from kerneldistill.evaluation.network_score import NetworkScore, score_predictions
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore
from kerneldistill.evaluation.protocols import LINEAR
from kerneldistill.evaluation.training import initial
from kerneldistill.kernels.finite_ntk import mean_ntk
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.progress import activity

# Test images of one program; the last are padded to it.
_BATCH = 128


@dataclass(frozen=True)
class LinearUnit(RegressionUnit):
    """One regression by the NTK of a network, scored on test. spec: the network. Others as in `RegressionUnit`."""

    spec: NetworkSpec

    @property
    def words(self) -> str:
        """Network and seed."""
        return f"{self.spec.name}-{self.seed}"


@dataclass(frozen=True, eq=False)
class LinearEvaluation(RegressionEvaluation):
    """Regression by the NTK of a network at its first weights, on a target. spec: the network. Others as above."""

    spec: NetworkSpec

    def result(self, seeds: Sequence[int], measure_whole: bool = False) -> ProtocolResult:
        """Regress from every kind of set, the whole train split omitted; see `Evaluation`."""
        target = self.target
        self.spec.check_image(target.image_shape)
        hardens = not target.is_hard()
        self.pace.total = (3 if hardens else 2) * len(seeds) + len(target.ladder_sizes)
        learned = self.regressed("the set", [target.support] * len(seeds), seeds)
        hard = self.regressed("the set with one-hot labels", [target.hard()] * len(seeds), seeds) if hardens else None
        random_real = self.regressed("random real images", [target.random_real(seed) for seed in seeds], seeds)
        return target.result(LINEAR, self.spec.name, learned, hard, random_real, None, shifts=self.shifts(seeds[0]))

    def unit(self, ridge: float, digest: str, space: str, seed: int) -> LinearUnit:
        """Return the unit of a set."""
        return LinearUnit(ridge, digest, space, seed, self.spec)

    def line(self, work: Work, score: SeedScore) -> str:
        """Say what a score is."""
        took = duration(score.seconds)
        return f"{LINEAR}, {self.spec.name}, {work.what}, seed {score.seed}: test {score.accuracy:.1%} ({took})"

    def computed(self, work: Sequence[Work]) -> list[SeedScore]:
        """Regress by the kernel of one network."""
        (one,) = work
        unit, target = cast(LinearUnit, one.unit), self.target
        began = time.perf_counter()
        variables = initial(self.spec, target.image_shape, target.num_classes, unit.seed)
        columns = jnp.asarray(one.support.images, jnp.float32)
        kernel = partial(_kernel(self.spec, target.image_shape, target.num_classes), variables, columns)
        k_ss = np.asarray(kernel(columns), np.float64)
        labels = np.asarray(one.support.labels, np.float64)
        alpha = Regression((k_ss + k_ss.T) / 2, target.ridge).solve(labels)

        def scored(split: Split) -> NetworkScore:
            with activity(f"{LINEAR}, {self.spec.name}, {one.what}", len(split), "images") as shown:
                return score_predictions(
                    lambda images: np.asarray(kernel(images), np.float64) @ alpha,
                    split,
                    target.num_classes,
                    _BATCH,
                    shown.update,
                )

        found = scored(target.test)
        shifted = tuple(scored(split).accuracy for split in target.shifts.values())
        seconds = time.perf_counter() - began
        return [SeedScore(unit.seed, found.accuracy, found.mse, None, seconds, shifted=shifted)]


@lru_cache(maxsize=64)
def _kernel(
    spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int
) -> Callable[[Variables, Array, Array], Array]:
    """The mean NTK [n, m] of variables, columns [m, h, w, c] and rows [n, h, w, c], compiled once for all seeds."""
    model = model_of(spec, image_shape, outputs)

    def kernel(variables: Variables, columns: Array, rows: Array) -> Array:
        return mean_ntk(lambda p, x: model.apply(Variables(p, variables.stats), x), variables.params, rows, columns)

    return jax.jit(kernel)
