"""What is finished is found again by what it depends on, and only by that."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from kerneldistill.errors import UserError
from kerneldistill.evaluation.cache import Journal, TrainingUnit
from kerneldistill.evaluation.network_spec import network_spec
from kerneldistill.evaluation.protocol_result import SeedScore
from kerneldistill.evaluation.protocols import PROTOCOLS

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
    journal = Journal(tmp_path / "dc")
    assert journal.missing([UNIT]) == [UNIT]
    journal.keep(UNIT, SCORE)
    assert journal.find(UNIT) == SCORE
    assert Journal(tmp_path / "dc").missing([UNIT]) == []
    assert [path.name for path in (tmp_path / "dc").iterdir()] == [UNIT.name]
    assert UNIT.name.startswith("mlp-test-3-")


@pytest.mark.parametrize("field", [field.name for field in fields(TrainingUnit)])
def test_everything_it_depends_on_counts(field: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.keep(UNIT, SCORE)
    assert journal.find(replace(UNIT, **{field: OTHERS[field]})) is None


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.keep(UNIT, SCORE)
    (tmp_path / UNIT.name).write_text('{"seed": 3}')
    with pytest.raises(UserError, match="is damaged: remove it, and this network is trained again"):
        journal.find(UNIT)
