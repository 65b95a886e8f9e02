"""Which classes are taken for which."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.report.document import Beside, Block, Confusion, Section, Table
from kerneldistill.report.number_format import percent
from kerneldistill.report.regression import Fit, fit_of
from kerneldistill.report.report_entry import ReportEntry, present
from kerneldistill.report.sections.common import missing, named, test_note

# A matrix of more classes cannot be read; its largest entries can.
MATRIX_CLASSES = 20
PAIRS = 15


def confusion(entries: Sequence[ReportEntry]) -> Section:
    """Return the confusion matrix of every entry with test images."""
    blocks: list[Block] = []
    for entry in entries:
        fit = fit_of(entry)
        if fit is not None:
            names = present(entry.learned).class_names
            found = "true class by row, predicted class by column"
            caption = named(entry, entries, f"{found}; {test_note([entry])}")
            counts = confusion_counts(fit)
            blocks.append(
                Confusion(caption, names, counts) if len(names) <= MATRIX_CLASSES else _pairs(caption, names, counts)
            )
    lacking = missing(entries, "on_test", "the confusion matrix")
    return Section("Confusion on test", "confusion", [*([Beside(blocks)] if blocks else []), *lacking])


def confusion_counts(fit: Fit) -> np.ndarray:
    """Return test images by true and by predicted class, int [k, k]."""
    k = fit.labels.shape[1]
    return np.bincount(fit.truth * k + fit.regressed.argmax(1), minlength=k * k).reshape(k, k)


def _pairs(caption: str, names: Sequence[str], counts: np.ndarray) -> Table:
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[: min(PAIRS, np.count_nonzero(wrong))]
    rows = []
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        part = percent(float(wrong[true, predicted] / max(1, counts[true].sum())))
        rows.append((names[true], names[predicted], f"{wrong[true, predicted]:,}", part))
    header = ("true class", "taken for", "images", "of the class")
    return Table(f"{caption}: the {PAIRS} most frequent mistakes among {len(names)} classes", header, rows, 2)
