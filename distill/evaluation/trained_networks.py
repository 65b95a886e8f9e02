"""Judge a support by a protocol with a network: choose on validation, train each seed anew, test once.

Three kinds of sets go the same way, each with a choice of its own: the support, the support with one-hot labels where
its own are others, and random real images, another draw for each seed.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import NamedTuple

import jax
import numpy as np

from kerneldistill.algorithms.support import Support
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.learning_rate import largest_stable_rate
from kerneldistill.evaluation.network_score import score_network
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.protocol_result import (
    ProtocolResult,
    SeedScore,
    Toggled,
    Trained,
    WholeTrain,
    set_sha256,
)
from kerneldistill.evaluation.protocols import LossName, Protocol
from kerneldistill.evaluation.published import published_whole_train
from kerneldistill.evaluation.score_cache import ScoreCache, SplitName, TrainingUnit
from kerneldistill.evaluation.sensitivity import sensitivity_of
from kerneldistill.evaluation.training import Replicas, initial, replicas_at_once, train
from kerneldistill.runtime.console import duration, tell
from kerneldistill.runtime.progress import activity

LOG = logging.getLogger(__name__)

# The seed of choices is none of those that are reported.
_TUNING_SEED = 1_000_000


# The set of a seed.
_SetOf = Callable[[int], Support]


@dataclass(frozen=True, eq=False)
class NetworkEvaluation:
    """A protocol with a network, on a target.

    target: the support and its data
    protocol: how a network is trained
    spec: the network
    cache: what is finished
    shared: what is finished of whole train splits, which all runs on the same data share

    Example:
      cache = ScoreCache(folder)
      NetworkEvaluation(target, PROTOCOLS["dc"], network_spec("convnet"), cache, cache).result(range(5))
    """

    target: EvaluationTarget
    protocol: Protocol
    spec: NetworkSpec
    cache: ScoreCache
    shared: ScoreCache

    def result(self, seeds: Sequence[int], measure_whole: bool = False) -> ProtocolResult:
        """Train on every kind of set and return what was found; what is finished is not done again.

        Args:
          seeds: of the networks
          measure_whole: train on the whole train split too, where no figure is published and none was measured
            before; with the first seed alone

        Raises:
          UserError: the images are too small for the network, or what is kept of earlier evaluations is damaged.
        """
        target, recipe = self.target, self.protocol.recipe
        self.spec.check_image(target.image_shape)
        learned = self._trained("the set", lambda seed: target.support, seeds)
        # A loss that softens labels would soften one-hot ones, too.
        softens = recipe.loss == "soft_cross_entropy"
        cross_entropy = replace(self.protocol, recipe=replace(recipe, loss="cross_entropy"))
        plain = replace(self, protocol=cross_entropy) if softens else self
        hard = None
        if softens or (recipe.loss == "mse" and not target.is_hard()):
            hard = plain._trained("the set with one-hot labels", lambda seed: target.hard(), seeds)
        random_real = self._trained("random real images", target.random_real, seeds)
        whole = published_whole_train(target.dataset, self.spec)
        if whole is None:
            whole = replace(plain, cache=self.shared)._whole_train(seeds[0], measure_whole)
        toggled = self._toggled(seeds) if self.protocol.toggles else None
        return target.result(self.protocol.name, self.spec.name, learned, hard, random_real, whole, toggled)

    def _toggled(self, seeds: Sequence[int]) -> Toggled:
        other = replace(self, protocol=self.protocol.toggled())
        augmented = other.protocol.recipe.augmentation is not None
        how = "augmented" if augmented else "as they are"
        return Toggled(
            other._trained(f"the set, images {how}", lambda seed: self.target.support, seeds),
            other._trained(f"random real images, {how}", self.target.random_real, seeds),
            augmented,
        )

    def _trained(self, what: str, set_of: _SetOf, seeds: Sequence[int]) -> Trained:
        choice = self._choice(what, set_of(seeds[0]))
        supports = {seed: set_of(seed) for seed in seeds}
        units = [
            (self._unit(set_sha256(*support), "test", choice.learning_rate, choice.weight_decay, seed), support)
            for seed, support in supports.items()
        ]
        return Trained(tuple(self._scores(what, units)), *choice)

    def _choice(self, what: str, support: Support) -> "_Choice":
        """Return the best of the grid on validation; the source's own where none is best."""
        grid = list(product(self.protocol.learning_rates, self.protocol.weight_decays))
        if len(grid) == 1 or not len(self.target.validation):
            return _Choice(*grid[0])
        digest = set_sha256(*support)
        units = [(self._unit(digest, "validation", *point, _TUNING_SEED), support) for point in grid]
        scores = self._scores(what, units)
        best = int(np.argmax([each.accuracy for each in scores]))
        return _Choice(*grid[best], scores[best].accuracy, sum(each.seconds for each in scores))

    def _whole_train(self, seed: int, measure: bool) -> WholeTrain | None:
        protocol, train = self.protocol, self.target.train
        # Which images these are, the space says.
        unit = self._unit("the whole train split", "test", protocol.learning_rates[0], protocol.weight_decays[0], seed)
        found = self.cache.find(unit)
        if found is None:
            if not measure:
                return None
            (found,) = self._scores(f"all {len(train):,} images of train", [(unit, self.target.whole_train())])
        source = f"measured by {protocol.name}, one seed, learning rate and decay not chosen"
        return WholeTrain(found.accuracy, source, found.seconds)

    def _unit(self, digest: str, split: SplitName, rate: float, decay: float, seed: int) -> TrainingUnit:
        return TrainingUnit(self.protocol.recipe, self.spec, digest, self.target.space, split, rate, decay, seed)

    def _scores(self, what: str, work: Sequence[tuple[TrainingUnit, Support]]) -> list[SeedScore]:
        """Return the score of each unit; train what is not finished, as many as the device takes at once."""
        found = {unit: self.cache.find(unit) for unit, _ in work}
        missing = [(unit, support) for unit, support in dict(work).items() if found[unit] is None]
        for start in range(0, len(missing), replicas_at_once()):
            batch = missing[start : start + replicas_at_once()]
            for (unit, _), score in zip(batch, self._computed(what, batch), strict=True):
                self.cache.keep(unit, score)
                found[unit] = score
                tell(self._line(what, unit, score))
        return [score for unit, _ in work if (score := found[unit]) is not None]

    def _computed(self, what: str, batch: Sequence[tuple[TrainingUnit, Support]]) -> list[SeedScore]:
        target, recipe, spec = self.target, self.protocol.recipe, self.spec
        began = time.perf_counter()
        rates = [self._rate(unit) for unit, _ in batch]
        replicas = Replicas(
            np.stack([support.images for _, support in batch]).astype(np.float32),
            np.stack([labels_for(recipe.loss, support.labels) for _, support in batch]),
            np.array(rates, np.float32),
            np.array([unit.weight_decay for unit, _ in batch], np.float32),
            np.array([unit.seed for unit, _ in batch]),
            self._deviation,
        )
        total = recipe.num_steps(replicas.images.shape[1])
        with activity(f"{self.protocol.name}, {spec.name}, {what}", total, "steps") as shown:
            trained = train(spec, recipe, replicas, shown.update)
        found = []
        for index, ((unit, _), rate) in enumerate(zip(batch, rates, strict=True)):
            split = target.test if unit.split == "test" else target.validation
            variables = jax.tree.map(lambda leaf, index=index: leaf[index], trained)
            one = score_network(spec, variables, split, target.num_classes)
            if not one.finite:
                LOG.warning(
                    "%s with learning rate %g did not stay finite: its accuracy is that of chance", spec.name, rate
                )
            mse = one.mse if recipe.loss == "mse" and one.finite else None
            moves = None
            if one.finite and unit.split == "test":
                moves = sensitivity_of(spec, variables, split, target.num_classes, recipe.loss, self._deviation)
            found.append(SeedScore(unit.seed, one.accuracy, mse, rate, 0.0, moves))
        seconds = (time.perf_counter() - began) / len(batch)
        return [replace(score, seconds=seconds) for score in found]

    @cached_property
    def _deviation(self) -> float:
        return float(np.std(self.target.train.images, dtype=np.float64))

    def _rate(self, unit: TrainingUnit) -> float:
        """Return the absolute learning rate."""
        if not self.protocol.recipe.relative:
            return unit.learning_rate
        target = self.target
        start = initial(self.spec, target.image_shape, target.num_classes, unit.seed)
        images = (target.validation if len(target.validation) else target.train).images
        return unit.learning_rate * largest_stable_rate(self.spec, start, images, target.num_classes)

    def _line(self, what: str, unit: TrainingUnit, score: SeedScore) -> str:
        tried = f"lr {unit.learning_rate:g}, decay {unit.weight_decay:g}"
        which = f"seed {unit.seed}" if unit.split == "test" else "to choose"
        found = f"{unit.split} {score.accuracy:.1%} ({duration(score.seconds)})"
        return f"{self.protocol.name}, {self.spec.name}, {what}, {tried}, {which}: {found}"


class _Choice(NamedTuple):
    """A point of the grid; fields as in `Trained`."""

    learning_rate: float
    weight_decay: float
    validation_accuracy: float | None = None
    choosing_seconds: float = 0.0


def labels_for(loss: LossName, labels: np.ndarray) -> np.ndarray:
    """Return what a loss compares outputs with, float32 [n, k], of a support's labels [n, k]."""
    match loss:
        case "mse":
            found = labels
        case "cross_entropy":
            found = np.eye(labels.shape[1])[labels.argmax(1)]
        case "soft_cross_entropy":
            shifted = np.exp(labels - labels.max(1, keepdims=True))
            found = shifted / shifted.sum(1, keepdims=True)
    return found.astype(np.float32)
