"""The first section: the numbers that matter, and runs against each other."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.report.document import Block, Section, Stat, Stats, Table
from kerneldistill.report.number_format import NONE, percent, plural, points, spread
from kerneldistill.report.sections.common import LABELS
from kerneldistill.report.subject import Absent, Subject, held
from kerneldistill.runs.results import Results


def title_of(subjects: Sequence[Subject]) -> str:
    """The result in a sentence."""
    if len(subjects) > 1:
        names = sorted({subject.dataset for subject in subjects})
        kind = "runs" if all(held(subject.config) for subject in subjects) else "sets"
        return f"{len(subjects)} {kind} on {' and '.join(names) if len(names) < 3 else f'{len(names)} data sets'}"
    (subject,) = subjects
    learned, results = held(subject.learned), held(subject.results)
    if learned is None:
        return f"A run on {subject.dataset} that has not ended"
    kind = "real image" if learned.label_mode == "label_solve" else "learned image"
    made = f"{plural(len(learned.images), kind)} of {subject.dataset}"
    if subject.origin is not None:
        made += f" from {subject.origin.file}"
    if learned.label_mode == "label_solve":
        made += " with solved labels"
    return made if results is None else f"{made} predict {percent(results.learned.accuracy)} of the test images"


def lead_of(subjects: Sequence[Subject]) -> str:
    """What the result is of."""
    if len(subjects) > 1:
        return "What each run learned and how well it predicts, by the same code and in the same colours throughout."
    (subject,) = subjects
    kernel, ridge = held(subject.kernel), held(subject.ridge)
    by = (
        ""
        if kernel is None
        else f" by kernel ridge regression with {kernel_name(kernel)}, {kernel.dtype}, ridge {ridge:g}"
    )
    made = "Distilled" if subject.origin is None else "Imported, to be judged"
    return f"{made}{by}; images whitened by {subject.whiten}."


def summary(subjects: Sequence[Subject]) -> Section:
    """The summary."""
    blocks: list[Block] = []
    if len(subjects) > 1:
        blocks.append(_comparison(subjects))
    elif (results := held(subjects[0].results)) is not None:
        blocks.append(Stats(_stats(results)))
    blocks.append(_made_of(subjects))
    return Section("Summary", "summary", blocks)


def _stats(results: Results) -> list[Stat]:
    stats = [Stat(percent(results.learned.accuracy), "test accuracy", f"of {results.num_test:,} images")]
    if results.random_real:
        random = [measured.accuracy for measured in results.random_real]
        gain = points(results.learned.accuracy - float(np.mean(random)))
        stats.append(Stat(gain, "points over random", f"real sets of this size reach {spread(random)}"))
    gain = points(results.learned.accuracy - results.start.accuracy)
    stats.append(Stat(gain, "points over its start", f"which reached {percent(results.start.accuracy)}"))
    if results.validation is not None:
        stats.append(Stat(percent(results.validation.accuracy), "validation accuracy", "by which it was chosen"))
    return stats


def _comparison(subjects: Sequence[Subject]) -> Table:
    header = ("run", "test accuracy", "random real", "gain, points", "its start", "test mse", "validation")
    scored = [(subject.name, held(subject.results)) for subject in subjects]
    best = max((r.learned.accuracy for _, r in scored if r is not None), default=None)
    rows = [(name, *_compared(results)) for name, results in scored]
    caption = "Kernel ridge regression from each run's set"
    if len({subject.dataset for subject in subjects}) > 1:  # an accuracy on one is no better than one on another
        return Table(caption, header, rows)
    strong = frozenset(i for i, (_, r) in enumerate(scored) if r is not None and r.learned.accuracy == best)
    return Table(f"{caption}; the best in bold", header, rows, strong=strong)


def _compared(results: Results | None) -> tuple[str, ...]:
    if results is None:
        return (NONE,) * 6
    random = [measured.accuracy for measured in results.random_real]
    return (
        percent(results.learned.accuracy),
        spread(random) if random else NONE,
        points(results.learned.accuracy - float(np.mean(random))) if random else NONE,
        percent(results.start.accuracy),
        f"{results.learned.mse:.4f}",
        NONE if results.validation is None else percent(results.validation.accuracy),
    )


def _made_of(subjects: Sequence[Subject]) -> Table:
    rows = []
    for subject in subjects:
        learned, kernel = held(subject.learned), subject.kernel
        size = NONE if learned is None else f"{len(learned.images):,}"
        labels = NONE if learned is None else LABELS[learned.label_mode]
        step = NONE if learned is None or learned.label_mode == "label_solve" or subject.origin else f"{learned.step:,}"
        what = kernel.reason if isinstance(kernel, Absent) else f"{kernel_name(kernel)}, {kernel.dtype}"
        rows.append((subject.name, subject.dataset, what, subject.whiten, labels, size, step))
    header = ("run", "data set", "kernel", "whitening", "labels", "images", "chosen at step")
    return Table("What was distilled, and through which kernel", header, rows, row_headers=5)
