"""What a report shows of accuracy on shifted images."""

from dataclasses import replace

import numpy as np

from kerneldistill.evaluation.protocol_result import SeedScore, Shifts, Trained
from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.report.document import Beside, Missing, Paragraph, Table
from kerneldistill.report.sections.robustness import robustness_of
from tests.helpers.protocol_results import protocol_result
from tests.helpers.reports import make_entry


def scores(*pairs: tuple[float, float, float]) -> tuple[SeedScore, ...]:
    return tuple(SeedScore(i, a, None, None, 1.0, shifted=(b, c)) for i, (a, b, c) in enumerate(pairs))


def shifted():
    """Two seeds under two shifts."""
    return protocol_result(
        learned=Trained(scores((0.9, 0.8, 0.5), (0.92, 0.82, 0.5))),
        random_real=Trained(scores((0.5, 0.4, 0.3), (0.6, 0.45, 0.35))),
        shifts=Shifts(("noise", "blur"), (20, 40), scores((0.7, 0.6, 0.4), (0.8, 0.7, 0.5))),
    )


def test_each_shift_has_a_row_and_each_protocol_a_drawing() -> None:
    other = replace(shifted(), network="mlp")
    section = robustness_of([make_entry(protocols=(shifted(), other))])
    assert [type(block) for block in section.blocks] == [Paragraph, Table, Beside]
    table, beside = section.blocks[1:]
    assert [row[:4] for row in table.rows[:2]] == [
        ("dc, convnet-in", "noise", "91.0 %", "81.0 %"),
        ("dc, convnet-in", "blur", "91.0 %", "50.0 %"),
    ]
    assert float(table.rows[0][-1]) > float(table.rows[1][-1])
    assert len(beside.blocks) == 2
    assert "noise: from 80.0 % at 0.9 to 82.0 % at 0.92" in beside.blocks[0].alt
    assert "linearised" not in beside.blocks[0].alt


def test_where_nothing_was_shifted_the_command_is_named() -> None:
    (lacking,) = robustness_of([make_entry()]).blocks
    assert isinstance(lacking, Missing)
    assert "--shift all" in lacking.reason


def test_dots_that_are_not_joined_have_no_line() -> None:
    x = np.array([0.5, 0.9])
    drawn = {
        joined: line_chart("c", "", [Line("a", x, x, 0, dots=True, joined=joined)], Scales("x", "y")).svg
        for joined in (True, False)
    }
    assert "stroke-width: 1.9" in drawn[True]
    assert "stroke-width: 1.9" not in drawn[False]
    assert drawn[False].count("<use") >= 2
