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
from typing import NamedTuple, cast

import jax
import numpy as np

from kerneldistill.algorithms.support import Support
from kerneldistill.evaluation.evaluation import Evaluation, Work
from kerneldistill.evaluation.learning_rate import largest_stable_rate
from kerneldistill.evaluation.network_score import score_network
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.networks.model import Variables
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
from kerneldistill.runtime.console import duration
from kerneldistill.runtime.progress import activity

LOG = logging.getLogger(__name__)

# The seed of choices is none of those that are reported.
_TUNING_SEED = 1_000_000


# The set of a seed.
_SetOf = Callable[[int], Support]


class _Choice(NamedTuple):
    """A point of the grid; fields as in `Trained`."""

    learning_rate: float
    weight_decay: float
    validation_accuracy: float | None = None
    choosing_seconds: float = 0.0


_UNCHOSEN = _Choice(0.0, 0.0)


@dataclass(frozen=True, eq=False)
class NetworkEvaluation(Evaluation):
    """A protocol with a network, on a target.

    protocol: how a network is trained
    spec: the network
    shared: what is finished of whole train splits, which all runs on the same data share
    chosen: by which random real sets of other sizes are trained

    Example:
      cache = ScoreCache(folder)
      NetworkEvaluation(target, cache, PROTOCOLS["dc"], network_spec("convnet"), cache).result(range(5))
    """

    protocol: Protocol
    spec: NetworkSpec
    shared: ScoreCache
    chosen: _Choice = _UNCHOSEN

    def result(self, seeds: Sequence[int], measure_whole: bool = False) -> ProtocolResult:
        """Train on every kind of set; the whole train split where no figure is published, too; see `Evaluation`."""
        target, recipe = self.target, self.protocol.recipe
        self.spec.check_image(target.image_shape)
        # A loss that softens labels would soften one-hot ones, too.
        softens = recipe.loss == "soft_cross_entropy"
        hardens = softens or (recipe.loss == "mse" and not target.is_hard())
        published = published_whole_train(target.dataset, self.spec)
        kinds = 2 + hardens + 2 * self.protocol.toggles
        measured = measure_whole and published is None
        self.pace.total = kinds * (len(self._grid) + len(seeds)) + measured + len(target.ladder_sizes)
        learned = self._trained("the set", lambda seed: target.support, seeds)
        cross_entropy = replace(self.protocol, recipe=replace(recipe, loss="cross_entropy"))
        plain = replace(self, protocol=cross_entropy) if softens else self
        hard = plain._trained("the set with one-hot labels", lambda seed: target.hard(), seeds) if hardens else None
        random_real = self._trained("random real images", target.random_real, seeds)
        whole = published or replace(plain, cache=self.shared)._whole_train(seeds[0], measure_whole)
        toggled = self._toggled(seeds) if self.protocol.toggles else None
        chosen = _Choice(random_real.learning_rate or 0.0, random_real.weight_decay or 0.0)
        shifts = replace(self, chosen=chosen).shifts(seeds[0])
        return target.result(self.protocol.name, self.spec.name, learned, hard, random_real, whole, toggled, shifts)

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
        work = [self._work(what, set_of(seed), "test", choice, seed) for seed in seeds]
        return Trained(tuple(self.scores(work)), *choice)

    def at_size(self, what: str, support: Support, seed: int) -> SeedScore:
        """Train on random real images of some number, by what was chosen for those of the support's."""
        return self.scores([self._work(what, support, "test", self.chosen, seed)])[0]

    @property
    def _grid(self) -> list[tuple[float, float]]:
        """The points that are tried to choose; none where there is one, or no validation split."""
        grid = list(product(self.protocol.learning_rates, self.protocol.weight_decays))
        return grid if len(grid) > 1 and len(self.target.validation) else []

    def _choice(self, what: str, support: Support) -> _Choice:
        """Return the best of the grid on validation; the source's own where none is best."""
        if not self._grid:
            return _Choice(self.protocol.learning_rates[0], self.protocol.weight_decays[0])
        work = [self._work(what, support, "validation", _Choice(*point), _TUNING_SEED) for point in self._grid]
        scores = self.scores(work)
        best = int(np.argmax([each.accuracy for each in scores]))
        return _Choice(*self._grid[best], scores[best].accuracy, sum(each.seconds for each in scores))

    def _whole_train(self, seed: int, measure: bool) -> WholeTrain | None:
        train, plain = self.target.train, replace(self, target=self.target.unshifted())
        # Which images these are, the space says.
        choice = _Choice(self.protocol.learning_rates[0], self.protocol.weight_decays[0])
        unit = plain._unit("the whole train split", "test", choice, seed)
        if not measure:
            (found,) = plain.kept([unit])
            if found is None:
                return None
        else:
            what = f"all {len(train):,} images of train"
            (found,) = plain.scores([Work(what, unit, self.target.whole_train())])
        source = f"measured by {self.protocol.name}, one seed, learning rate and decay not chosen"
        return WholeTrain(found.accuracy, source, found.seconds)

    def _work(self, what: str, support: Support, split: SplitName, choice: _Choice, seed: int) -> Work:
        return Work(what, self._unit(set_sha256(*support), split, choice, seed), support)

    def _unit(self, digest: str, split: SplitName, choice: _Choice, seed: int) -> TrainingUnit:
        space = self.target.tested if split == "test" else self.target.space
        rate, decay = choice.learning_rate, choice.weight_decay
        return TrainingUnit(self.protocol.recipe, self.spec, digest, space, split, rate, decay, seed)

    @property
    def at_once(self) -> int:
        """As many as the device takes at once."""
        return replicas_at_once()

    def computed(self, work: Sequence[Work]) -> list[SeedScore]:
        """Train a network for each unit, all at once."""
        recipe, spec = self.protocol.recipe, self.spec
        began = time.perf_counter()
        units = [cast(TrainingUnit, each.unit) for each in work]
        rates = [self._rate(unit) for unit in units]
        replicas = Replicas(
            np.stack([each.support.images for each in work]).astype(np.float32),
            np.stack([labels_for(recipe.loss, each.support.labels) for each in work]),
            np.array(rates, np.float32),
            np.array([unit.weight_decay for unit in units], np.float32),
            np.array([unit.seed for unit in units]),
            self._deviation,
        )
        total = recipe.num_steps(replicas.images.shape[1])
        with activity(f"{self.protocol.name}, {spec.name}, {work[0].what}", total, "steps") as shown:
            trained = train(spec, recipe, replicas, shown.update)
        found = []
        for index, (unit, rate) in enumerate(zip(units, rates, strict=True)):
            variables = jax.tree.map(lambda leaf, index=index: leaf[index], trained)
            found.append(self._scored(unit, variables, rate))
        seconds = (time.perf_counter() - began) / len(work)
        return [replace(score, seconds=seconds) for score in found]

    def _scored(self, unit: TrainingUnit, variables: Variables, rate: float) -> SeedScore:
        """Score a trained network; seconds are left 0."""
        target, recipe, spec = self.target, self.protocol.recipe, self.spec
        split = target.test if unit.split == "test" else target.validation
        one = score_network(spec, variables, split, target.num_classes)
        if not one.finite:
            LOG.warning("%s with learning rate %g did not stay finite: its accuracy is that of chance", spec.name, rate)
        mse = one.mse if recipe.loss == "mse" and one.finite else None
        moves, shifted = None, ()
        if unit.split == "test":
            shifted = (score_network(spec, variables, each, target.num_classes) for each in target.shifts.values())
            shifted = tuple(score.accuracy for score in shifted)
            if one.finite:
                moves = sensitivity_of(spec, variables, split, target.num_classes, recipe.loss, self._deviation)
        return SeedScore(unit.seed, one.accuracy, mse, rate, 0.0, moves, shifted)

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

    def line(self, work: Work, score: SeedScore) -> str:
        """Say what a score is."""
        unit = cast(TrainingUnit, work.unit)
        tried = f"lr {unit.learning_rate:g}, decay {unit.weight_decay:g}"
        which = f"seed {unit.seed}" if unit.split == "test" else "to choose"
        found = f"{unit.split} {score.accuracy:.1%} ({duration(score.seconds)})"
        return f"{self.protocol.name}, {self.spec.name}, {work.what}, {tried}, {which}: {found}"


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
