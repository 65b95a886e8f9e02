"""The geometry of the set: eigenvalues of its kernel, what each band of them predicts, and its intrinsic dimension."""

from collections.abc import Sequence

import numpy as np

from kerneldistill.algorithms.power_law import spectrum_law
from kerneldistill.report.charts import Scales, line_chart
from kerneldistill.report.document import Beside, Block, Missing, Paragraph, Section, Table
from kerneldistill.report.intrinsic_dimension import LEAST_POINTS, LEVEL, Dimension, intrinsic_dimension
from kerneldistill.report.number_format import NONE
from kerneldistill.report.regression import Fit, fit_of, fit_of_start
from kerneldistill.report.report_entry import ReportEntry, held
from kerneldistill.report.sections.common import both_lines, missing, named, test_note

BANDS = 5

_READING = (
    "The flatter the spectrum, the less the images share. KIP's authors predicted from one fifth of the eigenvectors "
    "at a time (2107.13034, section 4): real images did best with the largest eigenvalues, learned ones spread what "
    "they know over all fifths, or had it in the smallest."
)


def spectrum(entries: Sequence[ReportEntry]) -> Section:
    """Return the spectra of all entries over each other, and a table of dimensions."""
    blocks: list[Block] = []
    lines = both_lines(entries, eigenvalues, dots=True)
    if lines:
        scales = Scales("index, largest first", "eigenvalue / mean eigenvalue", log_y=True, whole=True)
        charts = [line_chart("spectrum", "Eigenvalues of the support's kernel", lines, scales)]
        banded = [s for s in entries if (fit := fit_of(s)) is not None and len(fit.labels) >= BANDS]
        if banded:
            scales = Scales("fifth of the eigenvectors, largest first", "test accuracy", percent=True, whole=True)
            caption = "Accuracy from one fifth of them alone"
            charts.append(line_chart("bands", caption, both_lines(entries, band_accuracies, dots=True), scales))
        blocks += [Paragraph(f"{_READING} Accuracies are of {test_note(entries)}."), Beside(charts), *_laws(entries)]
        if not banded:
            blocks.append(Missing("Accuracy by fifths of the spectrum", f"a set of under {BANDS} images has no fifths"))
    blocks += missing(entries, "on_test", "the spectrum")
    return Section("Spectrum and dimension", "spectrum", [*blocks, *_dimensions(entries)])


def eigenvalues(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Index and eigenvalues of the support's kernel with its ridge, largest first, relative to their mean."""
    values = fit.flow.rates[::-1]
    return np.arange(1.0, len(values) + 1), values / values.mean()


def band_accuracies(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Number of each fifth of the eigenvectors and the accuracy of k_ts V_b L_b^-1 V_b^T y from it alone."""
    accuracies = [fit.accuracy(fit.blocks.ts @ fit.flow.fitted_by(rows, fit.labels)) for rows in bands(fit)]
    return np.arange(1.0, len(accuracies) + 1), np.array(accuracies)


def bands(fit: Fit) -> list[np.ndarray]:
    """Return indices of the eigenvectors, ascending in their eigenvalues, in fifths, the largest first."""
    return np.array_split(np.arange(len(fit.labels))[::-1], BANDS)


def _laws(entries: Sequence[ReportEntry]) -> list[Block]:
    """Return the exponents of the spectra, of the sets and of their starts."""
    rows = []
    for entry in entries:
        for fit in (fit_of(entry), fit_of_start(entry)):
            law = None if fit is None else spectrum_law(fit.blocks.ss)
            if fit is not None and law is not None:
                interval = f"{law.low:.2f} to {law.high:.2f}"
                name = named(entry, entries, fit.name) if len(entries) > 1 else fit.name
                rows.append((name, f"{law.points}", f"{law.exponent:.2f}", interval))
    if not rows:
        return []
    caption = (
        "Eigenvalues fall as index^-exponent, by least squares from the second on; where errors of regression fall as "
        "images^-a, the kernel's spectrum has the exponent 1 + a (2102.06701)"
    )
    return [Table(caption, ("kernel of", "eigenvalues", "exponent", f"{LEVEL:.0%} interval"), rows)]


def _dimensions(entries: Sequence[ReportEntry]) -> list[Block]:
    rows, few = [], []
    for entry in entries:
        learned, on_test = held(entry.learned), held(entry.on_test)
        if learned is None:
            continue
        found = intrinsic_dimension(learned.images)
        start = None if on_test is None or not on_test.knows_start else intrinsic_dimension(on_test.start_images)
        if found is None:
            reason = f"fewer than {LEAST_POINTS} images have neighbours at distances that differ"
            few.append(Missing(named(entry, entries, "the intrinsic dimension"), reason))
            continue
        size = learned.images[0].size
        rows.append((entry.name, f"{found.points:,}", f"{size:,}", *_cells(start), *_cells(found)))
    if not rows:
        return few
    header = ("run", "images", "pixels", "start", f"{LEVEL:.0%} interval", "learned", f"{LEVEL:.0%} interval")
    caption = (
        "Intrinsic dimension from the distances to two nearest neighbours, in the whitened space (Facco et al. 2017). "
        "Of a few images it is known to a factor of two at best"
    )
    return [Table(caption, header, rows), *few]


def _cells(found: Dimension | None) -> tuple[str, str]:
    return (NONE, NONE) if found is None else (f"{found.value:.1f}", f"{found.low:.1f} to {found.high:.1f}")
