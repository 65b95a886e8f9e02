"""What sections share: the words for a subject, lines of charts, and what is missing."""

from collections.abc import Callable, Sequence

import numpy as np

from kerneldistill.report.charts import Line
from kerneldistill.report.document import Missing
from kerneldistill.report.regression import Fit, fit_of, fit_of_start
from kerneldistill.report.subject import Absent, Subject, held

LABELS = {"fixed": "one-hot", "learned": "learned", "label_solve": "solved for"}


def named(subject: Subject, subjects: Sequence[Subject], what: str) -> str:
    """`what`, with its run in front if there are several."""
    return f"{subject.name}: {what}" if len(subjects) > 1 else what[:1].upper() + what[1:]


def missing(subjects: Sequence[Subject], part: str, what: str) -> list[Missing]:
    """A block for every subject that lacks a part, which is the name of a field of `Subject`."""
    lacking = [(subject, getattr(subject, part)) for subject in subjects]
    return [Missing(named(s, subjects, what), of.reason) for s, of in lacking if isinstance(of, Absent)]


Curve = Callable[[Fit], tuple[np.ndarray, np.ndarray]]


def both_lines(subjects: Sequence[Subject], curve: Curve, dots: bool = False) -> list[Line]:
    """A line for each support and one, dashed, for the real images it began as."""
    lines: list[Line] = []
    several, told = len(subjects) > 1, False
    for run, subject in enumerate(subjects):
        fit, start = fit_of(subject), fit_of_start(subject)
        if fit is None:
            continue
        lines.append(Line(subject.name if several else fit.name, *curve(fit), run=run, dots=dots))
        if start is not None:
            # Among several runs one name stands for all dashed lines: their colours say whose they are.
            name = ("" if told else "dashed: its start") if several else start.name
            lines.append(Line(name, *curve(start), run=run if several else None, dashed=True, dots=dots))
            told = True
    return sorted(lines, key=lambda line: line.dashed)


def test_note(subjects: Sequence[Subject]) -> str:
    """Which test images the figures are of."""
    sizes = {(len(on.test_labels), on.test_size) for s in subjects if (on := held(s.on_test)) is not None}
    if all(used == whole for used, whole in sizes):
        return "all test images"
    if len(sizes) == 1:
        used, whole = sizes.pop()
        return f"{used:,} of the {whole:,} test images, evenly spaced"
    return f"{min(used for used, _ in sizes):,} and more test images of each run, evenly spaced"
