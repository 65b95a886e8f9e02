"""What is finished is found again by what it depends on, and only by that."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.protocol_result import SeedScore
from kerneldistill.evaluation.protocols import PROTOCOLS
from kerneldistill.evaluation.score_cache import ScoreCache, TrainingUnit

UNIT = TrainingUnit(PROTOCOLS["dc"].recipe, network_spec("mlp"), "5" * 64, "f" * 64, "test", 0.01, 5e-4, 3)
SCORE = SeedScore(3, 0.1 + 0.2, None, 0.01, 1.5)
OTHERS = {
    "recipe": replace(UNIT.recipe, epochs=299),
    "spec": network_spec("mlp-w64"),
    "set_sha256": "6" * 64,
    "space": "e" * 64,
    "split": "validation",
    "learning_rate": 0.011,
    "weight_decay": 0.0,
    "seed": 4,
}


def test_a_score_comes_back_exactly(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "dc")
    assert cache.find(UNIT) is None
    cache.keep(UNIT, SCORE)
    assert cache.find(UNIT) == SCORE
    assert ScoreCache(tmp_path / "dc").find(UNIT) == SCORE
    assert [path.name for path in (tmp_path / "dc").iterdir()] == [UNIT.name]
    assert UNIT.name.startswith("mlp-test-3-")


@pytest.mark.parametrize("field", [field.name for field in fields(TrainingUnit)])
def test_everything_it_depends_on_counts(field: str, tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    cache.keep(UNIT, SCORE)
    assert cache.find(replace(UNIT, **{field: OTHERS[field]})) is None


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path)
    cache.keep(UNIT, SCORE)
    (tmp_path / UNIT.name).write_text('{"seed": 3}')
    with pytest.raises(UserError, match="is damaged: remove it, and its score is computed again"):
        cache.find(UNIT)
