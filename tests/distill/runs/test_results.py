"""Results come back from JSON exactly, and the table says what they are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.errors import UserError
from kerneldistill.runs.results import Measured, Results
from tests.helpers.protocol_results import protocol_result

RESULTS = Results(
    step=12,
    label_mode="learned",
    support_size=10,
    num_test=10000,
    learned=Measured(0.7, 1 / 30),
    start=Measured(0.5, 0.04),
    random_real=(Measured(0.4, 0.05), Measured(0.6, 0.06)),
    validation=Measured(0.65, 0.03),
)


@pytest.mark.parametrize("results", [RESULTS, replace(RESULTS, random_real=(), validation=None)])
def test_they_come_back_exactly(tmp_path: Path, results: Results) -> None:
    path = tmp_path / "results.json"
    path.write_text(results.to_json())
    assert Results.load(path) == results
    assert json.loads(results.to_json())["learned"] == {"accuracy": 0.7, "mse": 1 / 30, "spectrum": None}


def test_missing_results_name_the_command_that_measures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"results\.json is missing.*kdistill evaluate {tmp_path}"):
        Results.load(tmp_path / "results.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"x"', "\x00"])
def test_damaged_results_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=rf"results\.json is damaged.*kdistill evaluate {tmp_path}") as caught:
        Results.load(tmp_path / "results.json")
    assert "\n" not in str(caught.value)


def test_the_table() -> None:
    title, header, rows = RESULTS.table("digits")
    assert title == "digits: 10 images predict 10,000 test images by kernel ridge regression"
    assert header == ("support", "test accuracy", "test mse")
    assert rows == (
        ("learned, step 12", "70.0 %", "0.0333"),
        ("its start, real images", "50.0 %", "0.0400"),
        ("random real images, mean of 2", "50.0 ± 10.0 %", "0.0550"),
    )


def test_the_table_of_solved_labels_without_baselines() -> None:
    _, _, rows = replace(RESULTS, label_mode="label_solve", random_real=()).table("digits")
    assert [row[0] for row in rows] == ["labels solved", "its start, real images"]


def test_protocols_come_back_exactly(tmp_path: Path) -> None:
    judged = replace(RESULTS, protocols=(protocol_result(), protocol_result(whole_train=None, hlr=None)))
    path = tmp_path / "results.json"
    path.write_text(judged.to_json())
    assert Results.load(path) == judged


def test_results_from_before_there_were_protocols_are_read(tmp_path: Path) -> None:
    older = json.loads(RESULTS.to_json())
    del older["protocols"]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(older))
    assert Results.load(path) == RESULTS


def test_protocols_of_the_same_support_outlive_a_measurement(tmp_path: Path) -> None:
    own, other = protocol_result(support_sha256="a" * 64), protocol_result(support_sha256="b" * 64)
    path = tmp_path / "results.json"
    assert Results.protocols_of(path, "a" * 64) == ()
    path.write_text(replace(RESULTS, protocols=(own, other)).to_json())
    assert Results.protocols_of(path, "a" * 64) == (own,)
    path.write_text("{")
    assert Results.protocols_of(path, "a" * 64) == ()


def test_the_table_with_views() -> None:
    _, _, rows = replace(RESULTS, ensembled=Measured(0.875, 0.03), views=("flip", "shift")).table("digits")
    assert rows[1] == ("the same, each test image also by flip and shift", "87.5 %", "0.0300")
