"""The learning curves, as far as the records of a run hold them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.report.document import Beside, Block, Chart, Paragraph, Section
from kerneldistill.report.number_format import plural
from kerneldistill.report.report_entry import ReportEntry, held
from kerneldistill.report.sections.common import missing, named
from kerneldistill.runs.training.metrics import Record
from kerneldistill.runtime.console import duration


class Curve(NamedTuple):
    """A quantity of the records.

    key: its name there
    name: of the chart's file
    caption, scales: of the chart
    x: name in the records of what it is drawn against; over what levels have in common it is drawn for each level
    """

    key: str
    name: str
    caption: str
    scales: Scales
    x: str = "step"


class Recorded(NamedTuple):
    """Records of a run or of one of its levels. run: gives the colour. entries: of the levels before."""

    run: int
    name: str
    records: Sequence[Record]
    is_level: bool = False
    entries: int = 0


def _steps(y: str, log: bool = False, percent: bool = False) -> Scales:
    return Scales("outer step", y, log_y=log, percent=percent, whole=True)


LOSS_NAMES = {"mse": "half the mean square", "cross_entropy": "cross-entropy"}
CURVES = (
    Curve("loss", "loss", "Loss on the batch of targets of each step", _steps("loss", log=True)),
    Curve(
        "validation_accuracy",
        "validation-accuracy",
        "Accuracy on the validation split",
        _steps("validation accuracy", percent=True),
    ),
    Curve(
        "validation_accuracy",
        "validation-accuracy-seconds",
        "Accuracy on the validation split over time, with all levels",
        Scales("seconds", "validation accuracy", percent=True),
        x="elapsed",
    ),
    Curve(
        "validation_accuracy",
        "validation-accuracy-entries",
        "Accuracy on the validation split over kernel entries, with all levels",
        Scales("kernel entries with gradient", "validation accuracy", percent=True, whole=True),
        x="entries",
    ),
    Curve("validation_mse", "validation-mse", "Error on the validation split", _steps("validation mse", log=True)),
    Curve(
        "validation_mse",
        "validation-mse-seconds",
        "Error on the validation split over time, with all levels",
        Scales("seconds", "validation mse", log_y=True),
        x="elapsed",
    ),
    Curve(
        "validation_mse",
        "validation-mse-entries",
        "Error on the validation split over kernel entries, with all levels",
        Scales("kernel entries with gradient", "validation mse", log_y=True, whole=True),
        x="entries",
    ),
    Curve("gradient_norm", "gradient-norm", "Length of the gradient by the images", _steps("gradient norm", log=True)),
    Curve(
        "condition",
        "condition-number",
        "Condition number of the support's kernel with its ridge",
        _steps("condition number", log=True),
    ),
    Curve("log_temperature", "temperature", "Logarithm of the loss's temperature", _steps("log temperature")),
    Curve("ridge", "ridge", "Ridge in force", _steps("ridge", log=True)),
    Curve("targets", "targets", "Targets of each step", Scales("outer step", "targets", whole=True)),
)


def learning(entries: Sequence[ReportEntry]) -> Section:
    """Return the learning curves of all runs over each other."""
    recorded = [part for run, entry in enumerate(entries) for part in _recorded(run, entry)]
    losses = {run: config.loss.name for run, entry in enumerate(entries) if (config := held(entry.config)) is not None}
    charts = [
        chart
        for curve in CURVES
        for each, parts in _on_axes_of_their_own(curve, recorded, losses)
        if (chart := _chart(each, parts)) is not None
    ]
    blocks: list[Block] = [Beside(charts)] if charts else []
    chosen = _chosen(entries)
    if charts and chosen:
        blocks.insert(0, Paragraph(chosen))
    return Section("Learning curves", "learning", [*blocks, *missing(entries, "records", "learning curves")])


def _on_axes_of_their_own(
    curve: Curve, recorded: Sequence[Recorded], losses: Mapping[int, str]
) -> Iterator[tuple[Curve, Sequence[Recorded]]]:
    """Yield a curve with the records to draw in it: losses of several kinds cannot be held beside each other."""
    kinds = list(dict.fromkeys(losses.get(of.run, "") for of in recorded))
    if curve.key != "loss" or len(kinds) < 2:
        yield curve, recorded
        return
    for kind in kinds:
        said = LOSS_NAMES.get(kind, kind)
        named_so = curve._replace(
            name=f"{curve.name}-{kind.replace('_', '-')}",
            caption=f"{curve.caption}: {said}",
            scales=replace(curve.scales, y=f"loss, {said}"),
        )
        yield named_so, [of for of in recorded if losses.get(of.run, "") == kind]


def _recorded(run: int, entry: ReportEntry) -> Iterator[Recorded]:
    """Yield the records of an entry, level by level, its own last."""
    before = 0
    for level in entry.levels:
        yield Recorded(run, f"{entry.name}, {level.name}", level.records, is_level=True, entries=before)
        before += int(level.records[-1].get("entries", 0)) if level.records else 0
    if (records := held(entry.records)) is not None:
        yield Recorded(run, entry.name, records, entries=before)


def _chart(curve: Curve, recorded: Sequence[Recorded]) -> Chart | None:
    lines = []
    for of in recorded:
        if of.is_level and curve.x == "step":
            continue
        before = of.entries if curve.x == "entries" else 0
        for key, name in ((curve.key, of.name), (f"average_{curve.key}", f"{of.name}, mean of sets")):
            points = [(before + r[curve.x], r[key]) for r in of.records if key in r and curve.x in r]
            if len(points) > 1 and not (key in ("ridge", "targets") and len({y for _, y in points}) == 1):
                x, y = np.array(points, np.float64).T
                dashed = of.is_level or key != curve.key
                lines.append(Line(name, x, y, of.run, dashed=dashed, dots=len(x) <= 40))
    return line_chart(curve.name, curve.caption, lines, curve.scales) if lines else None


def _chosen(entries: Sequence[ReportEntry]) -> str:
    ends = [
        f"{named(entry, entries, _run_of(records))}; {_kept(entry)}step {learned.step:,} was chosen"
        for entry in entries
        if (records := held(entry.records)) is not None and (learned := held(entry.learned)) is not None
    ]
    return f"The support that predicts the validation split best is kept. {'. '.join(ends)}." if ends else ""


def _kept(entry: ReportEntry) -> str:
    results = held(entry.results)
    return "the mean of the sets up to " if results is not None and results.averaged else ""


def _run_of(records: Sequence[Record]) -> str:
    steps = plural(int(records[-1]["step"]), "step")
    seconds = [record["seconds"] for record in records if "seconds" in record]
    return f"{steps} of {duration(float(np.median(seconds)))} each in the median" if seconds else steps
