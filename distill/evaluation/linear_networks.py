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

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.algorithms.krr import Regression, factored
from kerneldistill.algorithms.support import Support
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.network_score import score_predictions
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables, model_of
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Trained, set_sha256
from kerneldistill.evaluation.protocols import LINEAR
from kerneldistill.evaluation.score_cache import ScoreCache, Unit
from kerneldistill.evaluation.training import initial
from kerneldistill.kernels.finite_ntk import mean_ntk
from kerneldistill.runtime.console import duration, tell
from kerneldistill.runtime.progress import activity

# Test images of one program; the last are padded to it.
_BATCH = 128


@dataclass(frozen=True)
class LinearUnit(Unit):
    """One regression by the NTK of a network, scored on test.

    spec: the network
    ridge: relative to the mean diagonal
    set_sha256: digest of the images and labels
    space: as in `TrainingUnit`
    seed: of the first weights, and of the draw where the set is random
    """

    spec: NetworkSpec
    ridge: float
    set_sha256: str
    space: str
    seed: int

    @property
    def words(self) -> str:
        """Network and seed."""
        return f"{self.spec.name}-{self.seed}"


@dataclass(frozen=True, eq=False)
class LinearEvaluation:
    """Regression by the NTK of a network at its first weights, on a target.

    target: the support and its data
    spec: the network
    cache: what is finished
    """

    target: EvaluationTarget
    spec: NetworkSpec
    cache: ScoreCache

    def result(self, seeds: Sequence[int]) -> ProtocolResult:
        """Regress from every kind of set and return what was found; what is finished is not done again.

        Args:
          seeds: of the first weights, and of draws of random real images

        Raises:
          UserError: the images are too small for the network, a kernel cannot be inverted, or what is kept of earlier
            evaluations is damaged.
        """
        target = self.target
        self.spec.check_image(target.image_shape)
        learned = self._scores("the set", [target.support] * len(seeds), seeds)
        hard = None
        if not target.is_hard():
            hard = self._scores("the set with one-hot labels", [target.hard()] * len(seeds), seeds)
        random_real = self._scores("random real images", [target.random_real(seed) for seed in seeds], seeds)
        return target.result(LINEAR, self.spec.name, learned, hard, random_real, None)

    def _scores(self, what: str, supports: Sequence[Support], seeds: Sequence[int]) -> Trained:
        return Trained(tuple(self._score(what, *each) for each in zip(supports, seeds, strict=True)))

    def _score(self, what: str, support: Support, seed: int) -> SeedScore:
        target = self.target
        unit = LinearUnit(self.spec, target.ridge, set_sha256(*support), target.space, seed)
        if (kept := self.cache.find(unit)) is not None:
            return kept
        began = time.perf_counter()
        accuracy, mse = self._regressed(what, support, initial(self.spec, target.image_shape, target.num_classes, seed))
        score = SeedScore(seed, accuracy, mse, None, time.perf_counter() - began)
        self.cache.keep(unit, score)
        tell(f"{LINEAR}, {self.spec.name}, {what}, seed {seed}: test {accuracy:.1%} ({duration(score.seconds)})")
        return score

    def _regressed(self, what: str, support: Support, variables: Variables) -> tuple[float, float]:
        """Accuracy and mse on test."""
        target, columns = self.target, jnp.asarray(support.images, jnp.float32)
        kernel = partial(_kernel(self.spec, target.image_shape, target.num_classes), variables, columns)
        k_ss = np.asarray(kernel(columns), np.float64)
        alpha = factored(Regression((k_ss + k_ss.T) / 2, target.ridge)).solve(np.asarray(support.labels, np.float64))
        with activity(f"{LINEAR}, {self.spec.name}, {what}", len(target.test), "images") as shown:
            found = score_predictions(
                lambda images: np.asarray(kernel(images), np.float64) @ alpha,
                target.test,
                target.num_classes,
                _BATCH,
                shown.update,
            )
        return found.accuracy, found.mse


@lru_cache(maxsize=64)
def _kernel(
    spec: NetworkSpec, image_shape: tuple[int, int, int], outputs: int
) -> Callable[[Variables, Array, Array], Array]:
    """The mean NTK [n, m] of variables, columns [m, h, w, c] and rows [n, h, w, c], compiled once for all seeds."""
    model = model_of(spec, image_shape, outputs)

    def kernel(variables: Variables, columns: Array, rows: Array) -> Array:
        return mean_ntk(lambda p, x: model.apply(Variables(p, variables.stats), x), variables.params, rows, columns)

    return jax.jit(kernel)
