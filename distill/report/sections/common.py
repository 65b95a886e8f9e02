"""What sections share: the words for an entry, lines of charts, and what is missing."""

from collections.abc import Callable, Sequence

import numpy as np

from kerneldistill.report.charts import Line
from kerneldistill.report.document import Missing
from kerneldistill.report.regression import Fit, fit_of, fit_of_start
from kerneldistill.report.report_entry import Absent, ReportEntry, held

LABELS = {"fixed": "one-hot", "learned": "learned", "label_solve": "solved for"}


def named(entry: ReportEntry, entries: Sequence[ReportEntry], what: str) -> str:
    """`what`, with its run in front if there are several."""
    return f"{entry.name}: {what}" if len(entries) > 1 else what[:1].upper() + what[1:]


def missing(entries: Sequence[ReportEntry], part: str, what: str) -> list[Missing]:
    """Return a block for every entry that lacks a part, which is the name of a field of `ReportEntry`."""
    lacking = [(entry, getattr(entry, part)) for entry in entries]
    return [Missing(named(s, entries, what), of.reason) for s, of in lacking if isinstance(of, Absent)]


Curve = Callable[[Fit], tuple[np.ndarray, np.ndarray]]


def both_lines(entries: Sequence[ReportEntry], curve: Curve, dots: bool = False) -> list[Line]:
    """Return a line for each support and one, dashed, for the real images it began as."""
    lines: list[Line] = []
    several, told = len(entries) > 1, False
    for run, entry in enumerate(entries):
        fit, start = fit_of(entry), fit_of_start(entry)
        if fit is None:
            continue
        lines.append(Line(entry.name if several else fit.name, *curve(fit), run=run, dots=dots))
        if start is not None:
            # Among several runs one name stands for all dashed lines: their colours say whose they are.
            name = ("" if told else "dashed: its start") if several else start.name
            lines.append(Line(name, *curve(start), run=run if several else None, dashed=True, dots=dots))
            told = True
    return sorted(lines, key=lambda line: line.dashed)


def test_note(entries: Sequence[ReportEntry]) -> str:
    """Return which test images the figures are of."""
    sizes = {(len(on.test_labels), on.test_size) for s in entries if (on := held(s.on_test)) is not None}
    if all(used == whole for used, whole in sizes):
        return "all test images"
    if len(sizes) == 1:
        used, whole = sizes.pop()
        return f"{used:,} of the {whole:,} test images, evenly spaced"
    return f"{min(used for used, _ in sizes):,} and more test images of each run, evenly spaced"
