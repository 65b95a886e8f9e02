"""What networks fitted to the set keep on shifted test images, beside those fitted to random real ones."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.evaluation.protocol_result import ProtocolResult
from kerneldistill.evaluation.robustness import Robustness, robustness, robustness_table
from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.report.document import Beside, Block, Chart, Missing, Paragraph, Section, Table
from kerneldistill.report.report_entry import ReportEntry
from kerneldistill.report.sections.common import named

_READING = (
    "Networks of every accuracy lie on one line of test accuracy against accuracy on shifted images, both as the "
    "logarithm of their odds (Taori et al. 2020, 2007.00644). The line goes through random real sets of as many images "
    "and of two, four and eight times as many; what the set keeps above it is its effective robustness."
)
_LINE_POINTS = 40


def robustness_of(entries: Sequence[ReportEntry]) -> Section:
    """Return a table of all shifts, and a drawing for each protocol and network."""
    blocks: list[Block] = []
    for number, entry in enumerate(entries, 1):
        shifted = [result for result in entry.protocols if robustness(result)]
        what = named(entry, entries, "accuracy on shifted test images")
        if not shifted:
            remedy = f"none were tested; kdistill evaluate {entry.path} --protocol krr --shift all does it"
            blocks.append(Missing(what, remedy))
            continue
        _, header, rows = robustness_table(shifted)
        charts = [_chart(f"robustness-{number}-{i}", entry, entries, each) for i, each in enumerate(shifted, 1)]
        blocks += [Table(what, header, rows, row_headers=2), Beside(charts)]
    found = any(isinstance(block, Table) for block in blocks)
    return Section("Robustness", "robustness", [Paragraph(_READING), *blocks] if found else blocks)


def _chart(name: str, entry: ReportEntry, entries: Sequence[ReportEntry], result: ProtocolResult) -> Chart:
    lines = [line for run, each in enumerate(robustness(result)) for line in _lines(run, each)]
    caption = f"accuracy on shifted images by {result.protocol}, {result.network}; dashed: lines of random real sets"
    return line_chart(name, named(entry, entries, caption), lines, Scales("test accuracy", "shifted", percent=True))


def _lines(run: int, found: Robustness) -> list[Line]:
    every = np.concatenate([found.points, found.own])[:, 0]
    x = np.linspace(every.min(), every.max(), _LINE_POINTS)
    return [
        Line(found.shift, found.own[:, 0], found.own[:, 1], run, dots=True, joined=False),
        Line("", x, found.expected(x), run, dashed=True),
    ]
