"""How much the answers of trained networks move with their input, and whether that tells right from wrong."""

from collections.abc import Iterable, Sequence

import numpy as np

from kerneldistill.evaluation.protocol_result import ProtocolResult, Trained
from kerneldistill.report.document import Block, Missing, Paragraph, Section, Table
from kerneldistill.report.number_format import NONE
from kerneldistill.report.report_entry import ReportEntry
from kerneldistill.report.sections.common import named

_READING = (
    "The Frobenius norm of the Jacobian of a network's class probabilities (of its outputs, where it was fitted to "
    "labels by mean squares) by the pixels of a test image, in deviations of the data. Networks that generalise better "
    "move less, and a network moves less at images that it classifies right (Novak et al. 2018, 1802.08760)."
)


def sensitivity(entries: Sequence[ReportEntry]) -> Section:
    """Return a table of the networks that were trained on each set."""
    blocks: list[Block] = []
    for entry in entries:
        rows = [row for row in map(_row, entry.protocols) if row is not None]
        what = named(entry, entries, "the norm of the Jacobian, mean of test images and seeds")
        if rows:
            header = ("protocol, network", "the set", "where right", "where wrong", "random real", "right", "wrong")
            blocks.append(Table(what, header, rows))
        else:
            remedy = f"no network was trained on the set; kdistill evaluate {entry.path} --protocol dc does it"
            blocks.append(Missing(what, remedy))
    found = any(isinstance(block, Table) for block in blocks)
    return Section("Sensitivity of networks", "sensitivity", [Paragraph(_READING), *blocks] if found else blocks)


def _row(result: ProtocolResult) -> tuple[str, ...] | None:
    if all(score.sensitivity is None for score in result.learned.scores):
        return None
    return f"{result.protocol}, {result.network}", *_cells(result.learned), *_cells(result.random_real)


def _cells(trained: Trained) -> tuple[str, str, str]:
    found = [score.sensitivity for score in trained.scores if score.sensitivity is not None]
    return _mean(s.mean for s in found), _mean(s.right for s in found), _mean(s.wrong for s in found)


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{np.mean(known):.3g}" if known else NONE
