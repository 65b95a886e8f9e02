"""The page of learning curves holds every comparison and every run on record, and tells seeds and losers apart."""

from pathlib import Path

import numpy as np
import pytest

from kerneldistill.runs.planning.precedent import Point
from scripts import curves
from scripts.reproduce.record import FOLDER, Record

RESULTS = Path(curves.__file__).parent / "results"


def point(step: int, mse: float, *, averaged: bool = False) -> Point:
    return Point(step, 1000 * step, 2.0 * step, 60.0 * step, 1 - mse, mse, averaged)


def test_the_committed_page_has_every_record() -> None:
    page = (RESULTS / "curves.html").read_text(encoding="utf-8")
    compared = [f'id="cost-{folder.name}"' for folder in (RESULTS / "cost").iterdir() if folder.is_dir()]
    learned = [file.parent.name for file in FOLDER.glob("*/*.json") if Record.load(file).curve]
    missing = [name for name in [*compared, *(f'id="table-{name}"' for name in learned)] if name not in page]
    assert not missing, "run python -m scripts.curves"


def test_the_program_writes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["curves", "--out", str(tmp_path / "page.html")])
    curves.main()
    assert "Ways to learn CIFAR-10" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_step_has_the_better_of_the_newest_set_and_the_mean() -> None:
    first, newest, mean = point(0, 0.5), point(5, 0.3), point(5, 0.2, averaged=True)
    assert curves.better([first, newest, mean]) == [first, mean]
    assert curves.better([first, mean, newest]) == [first, mean]


def test_seeds_share_a_colour_and_losing_settings_of_adam_are_grey() -> None:
    ways = {
        "adam-100": [point(0, 0.5), point(9, 0.3)],
        "adam-200": [point(0, 0.5), point(9, 0.4)],
        "adam-100-1": [point(0, 0.5), point(8, 0.35)],
        "recipe": [point(0, 0.5), point(4, 0.1)],
        "recipe-1": [point(0, 0.5), point(4, 0.2)],
    }
    found = dict(zip(ways, curves.lines(ways, minutes=True), strict=True))
    assert {name: line.run for name, line in found.items()} == {
        "recipe": 0,
        "recipe-1": 0,
        "adam-100": 1,
        "adam-100-1": 1,
        "adam-200": None,
    }
    assert [line.name for line in found.values() if line.name] == ["adam-100", "recipe"]
    np.testing.assert_allclose(found["recipe"].x, [0, 4])
    np.testing.assert_allclose(curves.lines(ways, minutes=False)[3].x, [0, 4])
