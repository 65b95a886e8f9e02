"""Effective robustness: what a set keeps on shifted images beyond what its accuracy lets expect (2007.00644).

Over networks of every accuracy, that on shifted images is a line in that on test, both as log p / (1 - p) (Taori et al.
2020, 2007.00644, section 3). The line here goes through networks fitted to random real images, as many as the set's and
more; effective robustness is a set's accuracy on shifted images less the line's at its accuracy on test.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore
from kerneldistill.runtime.text import percent

_LEAST_POINTS = 3


class Robustness(NamedTuple):
    """A set under one shift.

    shift: its name
    points: float64 [n, 2] accuracies on test and shifted, of random real sets
    own: float64 [m, 2] those of the set, of each seed
    slope, offset: of the line between log p / (1 - p)
    smallest: accuracies nearer to 0 or 1 than this are taken as this far
    """

    shift: str
    points: np.ndarray
    own: np.ndarray
    slope: float
    offset: float
    smallest: float

    def expected(self, accuracy: np.ndarray | float) -> np.ndarray:
        """Return the line's accuracy on shifted images, at accuracies on test."""
        return special.expit(self.offset + self.slope * special.logit(_inside(accuracy, self.smallest)))

    @property
    def effective(self) -> float:
        """Mean over the seeds, a difference of accuracies."""
        return float(np.mean(self.own[:, 1] - self.expected(self.own[:, 0])))


def robustness(result: ProtocolResult) -> list[Robustness]:
    """Return the set's robustness under each shift; none where no line can be drawn, or there are no shifts."""
    if result.shifts is None:
        return []
    found = []
    smallest = 0.5 / result.num_test
    random_real = (*result.random_real.scores, *result.shifts.ladder)
    for index, name in enumerate(result.shifts.names):
        points, own = (_pairs(scores, index) for scores in (random_real, result.learned.scores))
        x, y = special.logit(_inside(points.T, smallest))
        if len(points) < _LEAST_POINTS or np.ptp(x) == 0 or not len(own):
            continue
        slope, offset = np.polyfit(x, y, 1)
        found.append(Robustness(name, points, own, float(slope), float(offset), smallest))
    return found


def _pairs(scores: tuple[SeedScore, ...], index: int) -> np.ndarray:
    return np.array([(score.accuracy, score.shifted[index]) for score in scores if score.shifted]).reshape(-1, 2)


def _inside(accuracy: np.ndarray | float, smallest: float) -> np.ndarray:
    return np.clip(np.asarray(accuracy, np.float64), smallest, 1 - smallest)


def robustness_table(
    results: Sequence[ProtocolResult],
) -> tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Title, header and rows: a row for each protocol, network and shift."""
    title = "accuracy on shifted test images; effective robustness: points above the line of random real sets"
    header = ("protocol, network", "shift", "test", "shifted", "random real", "shifted", "line at test", "effective")
    return title, header, tuple(_row(result, each) for result in results for each in robustness(result))


def _row(result: ProtocolResult, found: Robustness) -> tuple[str, ...]:
    baseline = found.points[: len(result.random_real.scores)]
    means = (*found.own.mean(axis=0), *baseline.mean(axis=0), float(np.mean(found.expected(found.own[:, 0]))))
    name = f"{result.protocol}, {result.network}"
    return name, found.shift, *(percent(float(mean)) for mean in means), f"{100 * found.effective:+.1f}"
