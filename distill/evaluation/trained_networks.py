"""Judges a support by a protocol with a network: choose on validation, train each seed anew, test once.

Three kinds of sets go the same way, each with a choice of its own: the support, the support with one-hot labels where
its own are others, and random real images, another draw for each seed.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import jax
import numpy as np

from kerneldistill.algorithms.support import Support
from kerneldistill.evaluation.accuracy import score
from kerneldistill.evaluation.cache import Journal, TrainingUnit
from kerneldistill.evaluation.learning_rate import largest_stable_rate
from kerneldistill.evaluation.network_spec import NetworkSpec
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Trained, WholeTrain, set_sha256
from kerneldistill.evaluation.protocols import LossName, Protocol
from kerneldistill.evaluation.published import published_whole_train
from kerneldistill.evaluation.subject import Subject
from kerneldistill.evaluation.training import Lanes, initial, lanes_at_once, train
from kerneldistill.runtime.console import LINE_SECONDS, duration, tell

LOG = logging.getLogger(__name__)

# The seed of choices is none of those that are reported.
_TUNING_SEED = 1_000_000


class Judge(NamedTuple):
    """Who judges, and what.

    subject: the support and its data
    protocol: how
    spec: the network
    journal: what is finished
    """

    subject: Subject
    protocol: Protocol
    spec: NetworkSpec
    journal: Journal


# The set of a seed.
_SetOf = Callable[[int], Support]


def judged(judge: Judge, seeds: Sequence[int], measure_whole: bool) -> ProtocolResult:
    """The result of a protocol with a network.

    Args:
      judge: who judges, and what
      seeds: of the networks
      measure_whole: train on the whole train split too, where no figure is published; with the first seed alone

    Raises:
      UserError: the images are too small for the network, or what is kept of earlier evaluations is damaged.
    """
    subject = judge.subject
    judge.spec.check_image(subject.image_shape)
    learned = _trained(judge, "the set", lambda seed: subject.support, seeds)
    plain, hard = _with_hard_labels(judge), None
    if plain is not judge or (judge.protocol.recipe.loss == "mse" and not subject.is_hard()):
        hard = _trained(plain, "the set with one-hot labels", lambda seed: subject.hard(), seeds)
    random_real = _trained(judge, "random real images", subject.random_real, seeds)
    whole = published_whole_train(subject.dataset, judge.spec)
    if whole is None and measure_whole:
        whole = _whole_train(plain, seeds[0])
    return subject.result(judge.protocol.name, judge.spec.name, learned, hard, random_real, whole)


def labels_for(loss: LossName, labels: np.ndarray) -> np.ndarray:
    """What a loss compares outputs with, float32 [n, k], of a support's labels [n, k]."""
    match loss:
        case "mse":
            found = labels
        case "cross_entropy":
            found = np.eye(labels.shape[1])[labels.argmax(1)]
        case "soft_cross_entropy":
            shifted = np.exp(labels - labels.max(1, keepdims=True))
            found = shifted / shifted.sum(1, keepdims=True)
    return found.astype(np.float32)


def _with_hard_labels(judge: Judge) -> Judge:
    """The same judge, or one whose loss takes one-hot labels where its own would soften them."""
    recipe = judge.protocol.recipe
    if recipe.loss != "soft_cross_entropy":
        return judge
    return judge._replace(protocol=replace(judge.protocol, recipe=replace(recipe, loss="cross_entropy")))


def _trained(judge: Judge, what: str, set_of: _SetOf, seeds: Sequence[int]) -> Trained:
    chosen = _chosen(judge, what, set_of(seeds[0]))
    supports = {seed: set_of(seed) for seed in seeds}
    rates = chosen.learning_rate, chosen.weight_decay
    units = {seed: _unit(judge, support, "test", *rates, seed) for seed, support in supports.items()}
    _finish(judge, what, [(unit, supports[seed]) for seed, unit in units.items()])
    return replace(chosen, scores=tuple(judge.journal.find(unit) for unit in units.values()))


def _chosen(judge: Judge, what: str, support: Support) -> Trained:
    """The best of the grid on validation, without scores on test; the source's own where none is best."""
    protocol = judge.protocol
    grid = list(product(protocol.learning_rates, protocol.weight_decays))
    if len(grid) == 1 or not len(judge.subject.validation):
        return Trained((), *grid[0])
    units = [_unit(judge, support, "validation", rate, decay, _TUNING_SEED) for rate, decay in grid]
    _finish(judge, what, [(unit, support) for unit in units])
    scores = [judge.journal.find(unit) for unit in units]
    best = int(np.argmax([score.accuracy for score in scores]))
    return Trained((), *grid[best], scores[best].accuracy, sum(score.seconds for score in scores))


def _whole_train(judge: Judge, seed: int) -> WholeTrain:
    protocol, support = judge.protocol, judge.subject.whole_train()
    unit = _unit(judge, support, "test", protocol.learning_rates[0], protocol.weight_decays[0], seed)
    _finish(judge, f"all {len(support.images):,} images of train", [(unit, support)])
    source = f"measured by {protocol.name}, one seed, learning rate and decay not chosen"
    found = judge.journal.find(unit)
    return WholeTrain(found.accuracy, source, found.seconds)


def _unit(judge: Judge, support: Support, split: str, rate: float, decay: float, seed: int) -> TrainingUnit:
    digest = set_sha256(*support)
    return TrainingUnit(judge.protocol.recipe, judge.spec, digest, judge.subject.space, split, rate, decay, seed)


def _finish(judge: Judge, what: str, work: Sequence[tuple[TrainingUnit, Support]]) -> None:
    """Trains and scores what is not finished, as many networks at once as the device takes, and keeps each."""
    sets = dict(work)
    missing = judge.journal.missing(list(sets))
    for start in range(0, len(missing), lanes_at_once()):
        units = missing[start : start + lanes_at_once()]
        for unit, kept in zip(units, _scores(judge, what, units, [sets[unit] for unit in units]), strict=True):
            judge.journal.keep(unit, kept)
            tell(_line(judge, what, unit, kept))


def _scores(judge: Judge, what: str, units: Sequence[TrainingUnit], supports: Sequence[Support]) -> list[SeedScore]:
    subject, recipe, spec = judge.subject, judge.protocol.recipe, judge.spec
    began = time.perf_counter()
    rates = [_rate(judge, unit) for unit in units]
    lanes = Lanes(
        np.stack([support.images for support in supports]).astype(np.float32),
        np.stack([labels_for(recipe.loss, support.labels) for support in supports]),
        np.array(rates, np.float32),
        np.array([unit.weight_decay for unit in units], np.float32),
        np.array([unit.seed for unit in units]),
    )
    total = recipe.num_steps(len(supports[0].images))
    trained = train(spec, recipe, lanes, _Pulse(f"{judge.protocol.name}, {spec.name}, {what}", total))
    found = []
    for lane, (unit, rate) in enumerate(zip(units, rates, strict=True)):
        split = subject.test if unit.split == "test" else subject.validation
        one = score(spec, jax.tree.map(lambda leaf, lane=lane: leaf[lane], trained), split, subject.num_classes)
        if not one.finite:
            LOG.warning("%s with learning rate %g did not stay finite: its accuracy is that of chance", spec.name, rate)
        mse = one.mse if recipe.loss == "mse" and one.finite else None
        found.append((unit.seed, one.accuracy, mse, rate))
    seconds = (time.perf_counter() - began) / len(units)
    return [SeedScore(*fields, seconds) for fields in found]


def _rate(judge: Judge, unit: TrainingUnit) -> float:
    """The absolute learning rate."""
    if not judge.protocol.recipe.relative:
        return unit.learning_rate
    subject = judge.subject
    start = initial(judge.spec, subject.image_shape, subject.num_classes, unit.seed)
    images = (subject.validation if len(subject.validation) else subject.train).images
    return unit.learning_rate * largest_stable_rate(judge.spec, start, images, subject.num_classes)


class _Pulse:
    """A line now and then while a network is trained for long."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.told = what, total, time.monotonic()

    def __call__(self, step: int) -> None:
        if time.monotonic() - self.told >= LINE_SECONDS:
            self.told = time.monotonic()
            tell(f"{self.what}: step {step}/{self.total}")


def _line(judge: Judge, what: str, unit: TrainingUnit, kept: SeedScore) -> str:
    tried = f"lr {unit.learning_rate:g}, decay {unit.weight_decay:g}"
    which = f"seed {unit.seed}" if unit.split == "test" else "to choose"
    found = f"{unit.split} {kept.accuracy:.1%} ({duration(kept.seconds)})"
    return f"{judge.protocol.name}, {judge.spec.name}, {what}, {tried}, {which}: {found}"
