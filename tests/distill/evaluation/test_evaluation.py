"""What all protocols share: what is computed, what is told, and in parts that are dealt to processes."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from kerneldistill.evaluation.evaluation import Evaluation, Pace, Work
from kerneldistill.evaluation.linear_networks import LinearUnit
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.protocol_result import ProtocolResult, SeedScore
from kerneldistill.evaluation.score_cache import ScoreCache
from kerneldistill.runtime.distributed import collectives
from tests.helpers.evaluation_targets import target


class Counting(Evaluation):
    """Scores that are told by their seeds, two at once."""

    at_once = 2

    def result(self, seeds: Sequence[int], measure_whole: bool = False) -> ProtocolResult:
        raise NotImplementedError

    def at_size(self, what: str, support: object, seed: int) -> SeedScore:
        raise NotImplementedError

    def computed(self, work: Sequence[Work]) -> list[SeedScore]:
        batches.append([each.unit.seed for each in work])
        return [SeedScore(each.unit.seed, each.unit.seed / 100, None, None, 1.0) for each in work]

    def line(self, work: Work, score: SeedScore) -> str:
        return f"seed {score.seed}"


batches: list[list[int]] = []


def work(*seeds: int) -> list[Work]:
    return [Work("", LinearUnit(0.1, "5" * 64, "here", seed, network_spec("mlp")), target().support) for seed in seeds]


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    batches.clear()
    return Counting(target(), ScoreCache(tmp_path))


def test_each_is_computed_once_as_many_as_fit_and_kept(counting: Counting, capsys: pytest.CaptureFixture[str]) -> None:
    counting.pace.total = 6
    found = counting.scores(work(3, 1, 3, 2))
    assert [score.seed for score in found] == [3, 1, 3, 2]
    assert batches == [[3, 1], [2]]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("seed 3, 3 of 6, ")
    assert lines[0].endswith(" left")
    assert counting.scores(work(2, 4)) == [*found[3:], SeedScore(4, 0.04, None, None, 1.0)]
    assert batches == [[3, 1], [2], [4]]


def test_of_two_processes_each_computes_its_part(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one is the second of two; what the first would send is computed here, too."""
    first = [{"seed": seed, "accuracy": 0.5, "mse": None, "learning_rate": None, "seconds": 2.0} for seed in (3, 1)]
    monkeypatch.setattr(collectives, "count", lambda: 2)
    monkeypatch.setattr(collectives, "index", lambda: 1)
    monkeypatch.setattr(collectives, "from_first", lambda make: make())
    monkeypatch.setattr(collectives, "any_of", lambda flag: flag)
    monkeypatch.setattr(collectives, "from_each", lambda make: [first, make()])
    found = counting.scores(work(3, 1, 2, 4))
    assert batches == [[2, 4]]
    assert [score.accuracy for score in found] == [0.5, 0.5, 0.02, 0.04]
    assert counting.scores(work(3, 4)) == [found[0], found[3]]


def test_the_rest_takes_as_long_as_what_was_computed() -> None:
    seen: list[str] = []
    pace = Pace(10, watch=lambda each: seen.append(str(each)))
    pace.found(2)
    pace.took(4, 6.0)
    pace.took(4, 2.0)
    assert seen == ["2 of 10", "6 of 10, 6.0s left", "10 of 10"]
