"""What networks do while they train on the set: beside their linearisation, and at which learning rates."""

from collections.abc import Callable, Sequence

import numpy as np

from kerneldistill.evaluation.studies import Curve, CurveStudy
from kerneldistill.evaluation.study_tables import curve_table, rate_table, rate_words
from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.report.document import Beside, Block, Chart, Missing, Paragraph, Section, Table
from kerneldistill.report.report_entry import ReportEntry
from kerneldistill.report.sections.common import named

_CURVES = (
    "Gradient descent on the whole set, at a quarter of the largest stable rate, beside the same steps by the network "
    "linearised at its first weights: wide networks train as the linear model does (Lee et al. 2019, 1902.06720), and "
    "what lies between two lines of a colour is that features move."
)
_RATES = (
    "A linear model diverges above the rate 2 n k / largest eigenvalue of its NTK; a network may climb first and find "
    "flatter weights (catapult, 2003.02218). In the standard parameterisation that rate falls with the width, in mu "
    "(2203.03466) it stays, and with it the best one."
)


def training(entries: Sequence[ReportEntry]) -> Section:
    """Return curves and tables of the studies of each set."""
    blocks: list[Block] = []
    for number, entry in enumerate(entries, 1):
        curves, rates = entry.studies.curves, entry.studies.rates
        if curves:
            title, header, rows = curve_table(curves)
            charts = Beside(_charts(number, entry, entries, curves))
            blocks += [Paragraph(_CURVES), charts, Table(named(entry, entries, title), header, rows)]
        if rates:
            blocks.append(Paragraph(_RATES))
        for study in rates:
            title, header, rows = rate_table(study)
            blocks += [Table(named(entry, entries, title), header, rows), Paragraph(f"{rate_words(study)}.")]
        for name, found in (("curves", curves), ("rates", rates)):
            if not found:
                what = {"curves": "networks beside their linearisation", "rates": "stable learning rates"}[name]
                reason = f"this was not studied; kdistill evaluate {entry.path} --study {name} does it"
                blocks.append(Missing(named(entry, entries, what), reason))
    return Section("Networks while they train", "training", blocks)


def _charts(
    number: int, entry: ReportEntry, entries: Sequence[ReportEntry], curves: Sequence[CurveStudy]
) -> list[Chart]:
    def chart(name: str, what: str, of: Callable[[Curve], Sequence[float]], scales: Scales) -> Chart:
        lines = [line for run, study in enumerate(curves) for line in _lines(study, run, of)]
        lines.sort(key=lambda line: line.dashed)
        return line_chart(f"{name}-{number}", named(entry, entries, what), lines, scales)

    steps = "steps"
    return [
        chart(
            "curves-accuracy",
            "test accuracy while training, dashed: linearised",
            lambda curve: curve.accuracies,
            Scales(steps, "test accuracy", log_x=True, percent=True),
        ),
        chart(
            "curves-mse",
            "test error while training, dashed: linearised",
            lambda curve: curve.errors,
            Scales(steps, "test mse", log_x=True, log_y=True),
        ),
    ]


def _lines(study: CurveStudy, run: int, of: Callable[[Curve], Sequence[float]]) -> list[Line]:
    # Step 0 has no place on a logarithmic axis.
    steps = np.array(study.steps[1:], np.float64)
    real, linear = (np.array(of(curve))[1:] for curve in (study.real, study.linear))
    return [Line(study.network, steps, real, run), Line("", steps, linear, run, dashed=True)]
