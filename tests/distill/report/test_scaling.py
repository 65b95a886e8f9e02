"""Scaling laws of a sweep: from its index to the table, the charts and the page."""

import pytest

from kerneldistill.report.document import Beside, Table
from kerneldistill.report.scaling import courses, scaling
from kerneldistill.report.sweep_page import sweep_page
from tests.helpers.pages import Page


def row(size: int, **changes: str) -> dict[str, str]:
    made = {"run": f"run-{size}", "status": "done", "ssize": str(size), "l": "True", "dataset": "tiny"}
    made |= {"test_acc": str(1 - 2 * size**-0.5), "test_mse": str(0.1 * size**-0.8)}
    made |= {"spectrum": "1.9", "spectrum_low": "1.7", "spectrum_high": "2.1"}
    return {**made, **changes}


ROWS = [row(size) for size in (10, 20, 50)]


def test_every_quantity_that_is_there_has_its_exponent() -> None:
    error, mse = courses(ROWS)
    assert (error.quantity.name, error.law.exponent) == ("test error of the sets", pytest.approx(0.5))
    assert (mse.quantity.name, mse.law.exponent) == ("test mse of the sets", pytest.approx(0.8))
    assert error.spectrum == "0.90, 0.70 to 1.10"
    random = [row(size, random_acc=str(1 - size**-0.1), random_mse="0.05") for size in (10, 20, 50)]
    assert {course.quantity.name: round(course.law.exponent, 6) for course in courses(random)} == {
        "test error of the sets": 0.5,
        "test error of random real images": 0.1,
        "test mse of the sets": 0.8,
        "test mse of random real images": 0,
    }


def test_runs_that_differ_otherwise_are_fitted_apart() -> None:
    rows = [*ROWS, *(row(size, l="False", test_acc=str(1 - size**-0.25)) for size in (10, 20, 50))]
    found = {
        course.kind: course.law.exponent for course in courses(rows) if course.quantity.name.startswith("test error")
    }
    assert found == {"labels learned": pytest.approx(0.5), "labels not learned": pytest.approx(0.25)}


def test_what_has_no_error_or_no_result_is_left_out() -> None:
    assert scaling([*ROWS[:2], row(50, test_acc="1.0", test_mse="0")]) == []
    assert scaling([*ROWS[:2], row(50, test_acc="", test_mse="")]) == []
    assert scaling([]) == []


def test_a_table_and_two_charts_are_drawn_on_the_page(tmp_path) -> None:
    _, table, beside = scaling(ROWS)
    assert isinstance(table, Table)
    assert table.rows[0] == (
        "test error of the sets", "3", "10 to 50", "0.50", "0.50 to 0.50", "0.90, 0.70 to 1.10",
    )  # fmt: skip
    assert isinstance(beside, Beside)
    page = Page(sweep_page(tmp_path, ROWS))
    assert "Scaling laws" in page.text
    assert len(page.named("svg")) == 2
    assert "Scaling laws" not in Page(sweep_page(tmp_path, ROWS[:2])).text
