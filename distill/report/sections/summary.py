"""The first section: the numbers that matter, and runs against each other."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.config.kernel_names import kernel_name
from kerneldistill.report.document import Block, Section, Stat, Stats, Table
from kerneldistill.report.number_format import NONE, percent, plural, points, spread
from kerneldistill.report.report_entry import Absent, ReportEntry, held
from kerneldistill.report.sections.common import LABELS
from kerneldistill.runs.results import Results


def title_of(entries: Sequence[ReportEntry]) -> str:
    """Return the result in a sentence."""
    if len(entries) > 1:
        names = sorted({entry.dataset for entry in entries})
        kind = "runs" if all(held(entry.config) for entry in entries) else "sets"
        return f"{len(entries)} {kind} on {' and '.join(names) if len(names) < 3 else f'{len(names)} data sets'}"
    (entry,) = entries
    learned, results = held(entry.learned), held(entry.results)
    if learned is None:
        return f"A run on {entry.dataset} that has not ended"
    kind = "real image" if learned.label_mode == "label_solve" else "learned image"
    made = f"{plural(len(learned.images), kind)} of {entry.dataset}"
    if entry.origin is not None:
        made += f" from {entry.origin.file}"
    if learned.label_mode == "label_solve":
        made += " with solved labels"
    return made if results is None else f"{made} predict {percent(results.learned.accuracy)} of the test images"


def lead_of(entries: Sequence[ReportEntry]) -> str:
    """Return what the result is of."""
    if len(entries) > 1:
        return "What each run learned and how well it predicts, by the same code and in the same colours throughout."
    (entry,) = entries
    kernel, ridge = held(entry.kernel), held(entry.ridge)
    by = (
        ""
        if kernel is None
        else f" by kernel ridge regression with {kernel_name(kernel)}, {kernel.dtype}, ridge {ridge:g}"
    )
    made = "Distilled" if entry.origin is None else "Imported, to be judged"
    return f"{made}{by}; images whitened by {entry.whiten}."


def summary(entries: Sequence[ReportEntry]) -> Section:
    """Return the summary."""
    blocks: list[Block] = []
    if len(entries) > 1:
        blocks.append(_comparison(entries))
    elif (results := held(entries[0].results)) is not None:
        blocks.append(Stats(_stats(results)))
    blocks.append(_made_of(entries))
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


def _comparison(entries: Sequence[ReportEntry]) -> Table:
    header = ("run", "test accuracy", "random real", "gain, points", "its start", "test mse", "validation")
    scored = [(entry.name, held(entry.results)) for entry in entries]
    best = max((r.learned.accuracy for _, r in scored if r is not None), default=None)
    rows = [(name, *_compared(results)) for name, results in scored]
    caption = "Kernel ridge regression from each run's set"
    if len({entry.dataset for entry in entries}) > 1:  # an accuracy on one is no better than one on another
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


def _made_of(entries: Sequence[ReportEntry]) -> Table:
    rows = []
    for entry in entries:
        learned = held(entry.learned)
        size = NONE if learned is None else f"{len(learned.images):,}"
        labels = NONE if learned is None else LABELS[learned.label_mode]
        step = NONE if learned is None or learned.label_mode == "label_solve" or entry.origin else f"{learned.step:,}"
        kernel = entry.kernel
        what = kernel.reason if isinstance(kernel, Absent) else f"{kernel_name(kernel)}, {kernel.dtype}"
        rows.append((entry.name, entry.dataset, what, entry.whiten, labels, size, step))
    header = ("run", "data set", "kernel", "whitening", "labels", "images", "chosen at step")
    return Table("What was distilled, and through which kernel", header, rows, row_headers=5)
