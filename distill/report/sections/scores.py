"""How well the sets predict: kernel ridge regression, and finite networks under named protocols."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.evaluation.protocol_result import protocol_table
from kerneldistill.report.document import Block, Missing, Section, Table
from kerneldistill.report.number_format import NONE, percent, spread
from kerneldistill.report.report_entry import ReportEntry, held
from kerneldistill.report.sections.common import missing, named
from kerneldistill.runs.results import Results

_PROTOCOLS = (
    "test accuracy of networks fitted to the set by named protocols, mean and deviation of the seeds. IOR: points over "
    "random real images; HLR: points that one-hot labels lack to the whole train split; LRS, ARS: label-robust and "
    "augmentation-robust scores, of 100 (DD-Ranking, 2505.13300); lr, decay: chosen on validation; took: all networks"
)


def scores(entries: Sequence[ReportEntry]) -> Section:
    """Return the tables of scores, with their baselines."""
    blocks: list[Block] = []
    for entry in entries:
        results = held(entry.results)
        if results is not None:
            blocks.append(_regression(entry, entries, results))
        if entry.protocols:
            _, header, rows = protocol_table(entry.protocols, entry.dataset)
            known = [[NONE if cell == "-" else cell for cell in row] for row in rows]
            blocks.append(Table(named(entry, entries, _PROTOCOLS), header, known))
        else:
            reason = f"no protocol was evaluated; kdistill evaluate {entry.path} --protocol dc kip does it"
            blocks.append(Missing(named(entry, entries, "finite networks trained on the set"), reason))
    return Section("Scores", "scores", [*blocks, *missing(entries, "results", "scores")])


def _regression(entry: ReportEntry, entries: Sequence[ReportEntry], results: Results) -> Table:
    rows = [
        (results.chosen, percent(results.learned.accuracy), f"{results.learned.mse:.4f}"),
        *results.ensembled_row(),
        (f"its start, {results.began_as}", percent(results.start.accuracy), f"{results.start.mse:.4f}"),
    ]
    if results.random_real:
        accuracies = [measured.accuracy for measured in results.random_real]
        errors = [measured.mse for measured in results.random_real]
        mse = f"{np.mean(errors):.4f} ± {np.std(errors):.4f}"
        rows.append((f"random real images, {len(accuracies)} draws", spread(accuracies), mse))
    if results.validation is not None:
        validation = (percent(results.validation.accuracy), f"{results.validation.mse:.4f}")
        rows.append((f"{results.chosen}, on validation", *validation))
    what = f"{results.support_size:,} images predict {results.num_test:,} test images by kernel ridge regression"
    return Table(named(entry, entries, what), ("support", "accuracy", "mse"), rows, strong=frozenset({0}))
