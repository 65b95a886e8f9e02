"""From run directories and bundles to a report: what costs time is done once and kept with the run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.support import Support
from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.pipeline import Prepared, load
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.report.document import Document, Section
from kerneldistill.report.html import html
from kerneldistill.report.kernels_on_test import OnTest, Place, keep, kept, place_in_run, place_of_bundle
from kerneldistill.report.markdown import Markdown
from kerneldistill.report.regression import fault_of, fit_of
from kerneldistill.report.report_entry import (
    Absent,
    ReportEntry,
    check_folder,
    entry_of_bundle,
    entry_of_run,
    named_apart,
)
from kerneldistill.report.sections.certainty import certainty
from kerneldistill.report.sections.confusion import confusion
from kerneldistill.report.sections.flow import flow
from kerneldistill.report.sections.images import images
from kerneldistill.report.sections.learning import learning
from kerneldistill.report.sections.provenance import provenance
from kerneldistill.report.sections.robustness import robustness_of
from kerneldistill.report.sections.scores import scores
from kerneldistill.report.sections.sensitivity import sensitivity
from kerneldistill.report.sections.spectrum import spectrum
from kerneldistill.report.sections.summary import lead_of, summary, title_of
from kerneldistill.report.sections.training import training
from kerneldistill.report.without_places import without_places
from kerneldistill.runs.directory import RunDir, is_run
from kerneldistill.runs.evaluation_targets import bundle_data
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runtime.console import tell
from kerneldistill.runtime.environment import code_version
from kerneldistill.runtime.progress import activity

SECTIONS: tuple[Callable[[Sequence[ReportEntry]], Section], ...] = (
    summary,
    images,
    scores,
    sensitivity,
    robustness_of,
    training,
    learning,
    confusion,
    certainty,
    spectrum,
    flow,
    provenance,
)


class Written(NamedTuple):
    """html, markdown: the files. pictures: folder of the Markdown's pictures."""

    html: Path
    markdown: Path
    pictures: Path


def default_out(paths: Sequence[Path]) -> Path:
    """Return where a report goes by default: into its run, beside its bundle, beside the first of several."""
    first = paths[0]
    if len(paths) == 1 and is_run(first):
        return first / "report" / "report.html"
    return first.parent / (f"{first.name}-report.html" if len(paths) == 1 else "report.html")


class Examined(NamedTuple):
    """The test images that a report looks at.

    images: at most so many in each entry; 0 for none, which needs no kernel at all
    prepared: data to test bundles on, which hold none; a run has its own
    rewhiten: whether these are whitened anew where they live in another space than a bundle
    """

    images: int
    prepared: str | None = None
    rewhiten: bool = False


def write_report(paths: Sequence[Path], out: Path, tested: Examined) -> Written:
    """Write a report on run directories and bundles.

    Args:
      paths: their folders
      out: the HTML file; the Markdown file and its pictures go beside it under the same name
      tested: the test images to look at

    Raises:
      UserError: a folder is neither, something in it is damaged, or prepared data do not suit a bundle.
      DataError: prepared data are damaged.
    """
    for path in paths:
        check_folder(path)
    if tested.prepared is not None and all(map(is_run, paths)):
        raise UserError(f"--prepared is {tested.prepared}, but RUN holds its prepared data: leave --prepared out")
    once = dict.fromkeys(path.resolve() for path in paths)
    entries = named_apart([entry_of(path, tested) for path in once])
    document = compose(entries)
    written = Written(out, out.with_suffix(".md"), out.with_name(f"{out.stem}_files"))
    text = Markdown(document, written.pictures.name)
    written.pictures.mkdir(parents=True, exist_ok=True)
    for name, content in text.files.items():
        write_whole(written.pictures / name, content)
    write_whole(written.markdown, text.text.encode())
    write_whole(written.html, html(document).encode())
    return written


def compose(entries: Sequence[ReportEntry]) -> Document:
    """Return the report as blocks."""
    made_by = f"kerneldistill {code_version()}"
    document = Document(title_of(entries), lead_of(entries), [section(entries) for section in SECTIONS], made_by)
    return without_places(document, entries)


def entry_of(path: Path, tested: Examined) -> ReportEntry:
    """Return what is in a folder; kernels with test images are computed if they are not kept there.

    Raises:
      UserError: something in it is damaged.
      DataError: likewise.
    """
    if not is_run(path):
        entry = entry_of_bundle(path, _on_test_of_bundle(path, tested))
    else:
        rundir = RunDir(path)
        entry = entry_of_run(rundir, _on_test(rundir, tested.images))
    fit = fit_of(entry)
    fault = None if fit is None else fault_of(fit)
    return entry if fault is None else replace(entry, on_test=Absent(fault))


def _on_test(rundir: RunDir, test_images: int) -> OnTest | Absent:
    if not test_images:
        return Absent("--test-images is 0")
    if not rundir.outcome_file.exists():
        return Absent("outcome.npz is not there: the run has not ended")
    if rundir.config().kernel.encoder is not None:
        return Absent("the kernel is of features of an encoder, and this is computed for infinitely wide networks")
    place = place_in_run(rundir, test_images)
    found = kept(place)
    if found is not None:
        return found
    if not (rundir.prepared / "manifest.json").exists():
        return Absent(f"{rundir.prepared} is not there, and with it the test images; kdistill prepare makes it again")
    config, data, outcome = rundir.config(), load(rundir.prepared), Outcome.load(rundir.outcome_file)
    outcome.check_fits(rundir.outcome_file, data.manifest, config.kernel.dtype)
    return _computed(rundir.path, place, config.kernel, outcome.support, outcome.start.support, data, test_images)


def _on_test_of_bundle(path: Path, tested: Examined) -> OnTest | None:
    if not tested.images or tested.prepared is None:
        return None
    found = bundle_data(path, tested.prepared, tested.rewhiten)
    place = place_of_bundle(path, found.space, tested.images)
    if (again := kept(place)) is not None:
        return again
    support = Support(found.bundle.images, found.bundle.labels.astype(np.float64))
    kernel = found.bundle.manifest.kernel
    if kernel.encoder is not None:
        return None
    return _computed(path, place, kernel, support, found.start, found.data, tested.images)


def _computed(
    path: Path,
    place: Place,
    kernel: KernelConfig,
    support: Support,
    start: Support | None,
    data: Prepared,
    test_images: int,
) -> OnTest:
    from kerneldistill.runtime import devices

    devices.setup()
    from kerneldistill.report.compute_kernels import measure

    count = min(test_images, len(data.test))
    tell(f"{path}: kernels of {count:,} test images, once; a later report takes them from {place.file.parent}")
    with activity(f"kernels of {count:,} test images"):
        found = measure(kernel, support, start, data, test_images)
    keep(place, found)
    return found
