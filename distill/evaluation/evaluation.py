"""What all protocols share: scores that are looked up, dealt to the processes where they are not there, and kept.

Networks are trained by one process each, and dealt round; a regression by an exact kernel is computed by all of them
together, each with its part of the targets. Either way all hold all scores in the end, and process 0 writes them.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import ClassVar, NamedTuple

import pydantic

from kerneldistill.algorithms.support import Support
from kerneldistill.evaluation.evaluation_target import EvaluationTarget
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore, Shifts, Trained, set_sha256
from kerneldistill.evaluation.score_cache import ScoreCache, Unit
from kerneldistill.runtime.console import duration, tell
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.stop import poll

_SCORE = pydantic.TypeAdapter(SeedScore)


class Work(NamedTuple):
    """One score to find. what: the set, in words. unit: what it follows from. support: the set."""

    what: str
    unit: Unit
    support: Support


@dataclass
class Pace:
    """How far an evaluation is, and how long the rest takes at the pace of what was computed.

    total: scores in all; 0 where that is not known yet
    done: scores found or computed
    computed: of these
    seconds: that these took, however many processes there are
    watch: is given this whenever it changes
    """

    total: int = 0
    done: int = 0
    computed: int = 0
    seconds: float = 0.0
    watch: Callable[["Pace"], None] = lambda pace: None

    def found(self, scores: int) -> None:
        """Count scores that were finished before."""
        self.done += scores
        self.watch(self)

    def took(self, scores: int, seconds: float) -> None:
        """Count scores that were computed in so many seconds."""
        self.computed += scores
        self.seconds += seconds
        self.found(scores)

    @property
    def left(self) -> str:
        """How long the rest takes, in words; empty where that is not known, or nothing is left."""
        left = self.total - self.done
        return f"{duration(left * self.seconds / self.computed)} left" if left > 0 and self.computed else ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (f"{self.done} of {max(self.total, self.done)}", self.left)))


@dataclass(frozen=True, eq=False)
class Evaluation(ABC):
    """One protocol with one network or kernel, on a target.

    target: the support and its data
    cache: what is finished
    pace: how far it is
    """

    target: EvaluationTarget
    cache: ScoreCache
    pace: Pace = field(default_factory=Pace, kw_only=True)

    # Whether one process computes a score alone, so that scores are dealt.
    dealt: ClassVar[bool] = True

    @abstractmethod
    def result(self, seeds: Sequence[int], measure_whole: bool = False) -> ProtocolResult:
        """Return what is found of every kind of set; what is finished is not done again.

        Args:
          seeds: of networks, and of draws of random real images
          measure_whole: measure the whole train split too, where that is not known

        Raises:
          UserError: the images are too small for the network, a kernel cannot be inverted, or what is kept of earlier
            evaluations is damaged.
        """

    @abstractmethod
    def computed(self, work: Sequence[Work]) -> list[SeedScore]:
        """Return the scores of what is not finished, at most `at_once` of them."""

    @abstractmethod
    def line(self, work: Work, score: SeedScore) -> str:
        """Say what a score is."""

    @abstractmethod
    def at_size(self, what: str, support: Support, seed: int) -> SeedScore:
        """Return the score of random real images, as those of the support's number are scored."""

    def shifts(self, seed: int) -> Shifts | None:
        """Return what random real sets of growing size reach on shifted splits, too; None where there are none."""
        sizes = self.target.ladder_sizes
        if not self.target.shifts:
            return None
        supports = map(self.target.random_of_size, sizes)
        ladder = [self.at_size(f"{len(each.images):,} random real images", each, seed) for each in supports]
        return Shifts(tuple(self.target.shifts), sizes, tuple(ladder))

    @property
    def at_once(self) -> int:
        """How many scores a process computes together."""
        return 1

    def scores(self, work: Sequence[Work]) -> list[SeedScore]:
        """Return the score of each; compute what is not finished, each unit once."""
        found = dict(zip((each.unit for each in work), self.kept([each.unit for each in work]), strict=True))
        missing = list({each.unit: each for each in work if found[each.unit] is None}.values())
        self.pace.found(len(work) - len(missing))
        each_time = self.at_once * (collectives.count() if self.dealt else 1)
        for start in range(0, len(missing), each_time):
            poll()
            batch = missing[start : start + each_time]
            began = time.perf_counter()
            scores = self._dealt(batch) if self.dealt else self.computed(batch)
            self.pace.took(len(batch), time.perf_counter() - began)
            for one, score in zip(batch, scores, strict=True):
                found[one.unit] = score
                collectives.from_first(lambda one=one, score=score: self.cache.keep(one.unit, score))
                tell(f"{self.line(one, score)}, {self.pace}")
        return [score for each in work if (score := found[each.unit]) is not None]

    def kept(self, units: Sequence[Unit]) -> list[SeedScore | None]:
        """Return what is finished, as process 0 finds it: others may not see a file that it has just written."""

        def stored() -> list[dict | None]:
            scores = [self.cache.find(unit) for unit in units]
            return [None if score is None else asdict(score) for score in scores]

        return [None if score is None else _SCORE.validate_python(score) for score in collectives.from_first(stored)]

    def _dealt(self, batch: Sequence[Work]) -> list[SeedScore]:
        """Compute the part of this process, and take the others' from them."""
        own = collectives.index() * self.at_once
        part = batch[own : own + self.at_once]
        every = collectives.from_each(lambda: [asdict(score) for score in self.computed(part)] if part else [])
        return [_SCORE.validate_python(score) for scores in every for score in scores]


@dataclass(frozen=True)
class RegressionUnit(Unit):
    """One regression, scored on test.

    ridge: relative to the mean diagonal
    set_sha256: digest of the images and labels
    space: as in `TrainingUnit`
    seed: of the draw where the set is random, and of first weights where the kernel has any
    """

    ridge: float
    set_sha256: str
    space: str
    seed: int


@dataclass(frozen=True, eq=False)
class RegressionEvaluation(Evaluation):
    """Kernel ridge regression from every kind of set, by whatever kernel."""

    @abstractmethod
    def unit(self, ridge: float, digest: str, space: str, seed: int) -> RegressionUnit:
        """Return the unit of a set."""

    def at_size(self, what: str, support: Support, seed: int) -> SeedScore:
        """Return the score of random real images of some number."""
        return self.regressed(what, [support], [seed]).scores[0]

    def regressed(self, what: str, supports: Sequence[Support], seeds: Sequence[int]) -> Trained:
        """Return the scores of a set for each seed."""
        target = self.target
        return Trained(
            tuple(
                self.scores(
                    [
                        Work(what, self.unit(target.ridge, set_sha256(*support), target.tested, seed), support)
                        for support, seed in zip(supports, seeds, strict=True)
                    ]
                )
            )
        )
