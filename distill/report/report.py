"""From run directories and bundles to a report: what costs time is done once and kept with the run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.report.document import Document, Section
from kerneldistill.report.html import html
from kerneldistill.report.kernels_on_test import OnTest, keep, kept, key_of
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
from kerneldistill.report.sections.scores import scores
from kerneldistill.report.sections.sensitivity import sensitivity
from kerneldistill.report.sections.spectrum import spectrum
from kerneldistill.report.sections.summary import lead_of, summary, title_of
from kerneldistill.report.without_places import without_places
from kerneldistill.runs.directory import RunDir, is_run
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runtime.console import tell
from kerneldistill.runtime.environment import code_version
from kerneldistill.runtime.progress import activity

SECTIONS: tuple[Callable[[Sequence[ReportEntry]], Section], ...] = (
    summary,
    images,
    scores,
    sensitivity,
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


def write_report(paths: Sequence[Path], out: Path, test_images: int) -> Written:
    """Write a report on run directories and bundles.

    Args:
      paths: their folders
      out: the HTML file; the Markdown file and its pictures go beside it under the same name
      test_images: at most so many are looked at in each run; 0 for none, which needs no kernel at all

    Raises:
      UserError: a folder is neither, or something in it is damaged.
      DataError: prepared data are damaged.
    """
    for path in paths:
        check_folder(path)
    once = dict.fromkeys(path.resolve() for path in paths)
    entries = named_apart([entry_of(path, test_images) for path in once])
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


def entry_of(path: Path, test_images: int) -> ReportEntry:
    """Return what is in a folder; kernels with test images are computed if they are not kept there.

    Raises:
      UserError: something in it is damaged.
      DataError: likewise.
    """
    if not is_run(path):
        return entry_of_bundle(path)
    rundir = RunDir(path)
    entry = entry_of_run(rundir, _on_test(rundir, test_images))
    fit = fit_of(entry)
    fault = None if fit is None else fault_of(fit)
    return entry if fault is None else replace(entry, on_test=Absent(fault))


def _on_test(rundir: RunDir, test_images: int) -> OnTest | Absent:
    if not test_images:
        return Absent("--test-images is 0")
    if not rundir.outcome_file.exists():
        return Absent("outcome.npz is not there: the run has not ended")
    key = key_of(rundir, test_images)
    found = kept(rundir, key)
    if found is not None:
        return found
    if not (rundir.prepared / "manifest.json").exists():
        return Absent(f"{rundir.prepared} is not there, and with it the test images; kdistill prepare makes it again")
    return _computed(rundir, key, test_images)


def _computed(rundir: RunDir, key: str, test_images: int) -> OnTest:
    from kerneldistill.runtime import devices

    devices.setup()
    from kerneldistill.pipeline import load
    from kerneldistill.report.compute_kernels import measure

    config, data, outcome = rundir.config(), load(rundir.prepared), Outcome.load(rundir.outcome_file)
    outcome.check_fits(rundir.outcome_file, data.manifest, config.kernel.dtype)
    count = min(test_images, len(data.test))
    tell(f"{rundir.path}: kernels of {count:,} test images, once; a later report takes them from {rundir.path}/report")
    with activity(f"kernels of {count:,} test images"):
        found = measure(config, outcome, data, test_images)
    keep(rundir, key, found)
    return found
