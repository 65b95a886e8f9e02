"""export: write the bundle of a run again, or a bundle in the formats of other programs.

The comments below are the help texts.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from kerneldistill.bundle.formats.registry import formats_named, what_is_written
from kerneldistill.bundle.location import is_bundle
from kerneldistill.cli.invocation import Call
from kerneldistill.config.assignments import named
from kerneldistill.errors import UserError
from kerneldistill.runtime.text import columns

if TYPE_CHECKING:
    from kerneldistill.runs.directory import RunDir


@dataclass(frozen=True)
class ExportArguments:
    """What to export, and how."""

    # A run directory, or the folder of a bundle.
    source: Annotated[Positional[Path], arg(metavar="RUN|BUNDLE")]
    # Names of formats, or all that can hold the set. Default: the bundle alone, of a run directory.
    to: Annotated[tuple[str, ...], arg(metavar="FORMAT...", help_behavior_hint="")] = ()
    # Where the formats go, each in a folder of its name. Default: export/ in the run directory or beside the bundle.
    out: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # The prepared data that a bundle was distilled from, to measure what is lost; a run directory has its own.
    prepared: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # The same data prepared with --data.whiten kornia_zca: mtt, datm and dd-ranking are then written in that space.
    kornia: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # Test images to measure with, from the first; 0 to measure nothing.
    tests: int = 2000
    # Add 1 / classes to soft labels, so that labels that were not learned become one-hot.
    shift_labels: bool = False
    # Replace what another set left in the folders of the formats.
    overwrite: bool = False


ARGUMENTS = ExportArguments


def execute(call: Call) -> None:
    """Write the bundle of a run again, or a bundle in other formats."""
    job = call.described(formats=columns(what_is_written())).parse(ExportArguments)
    from kerneldistill.runs.directory import RunDir, is_run
    from kerneldistill.runtime import devices
    from kerneldistill.runtime.progress import activity

    given_bundle = is_bundle(job.source) and not is_run(job.source)
    if not job.to and given_bundle:
        raise UserError(f"{job.source} is a bundle already: say what to write of it with --to, such as --to kip mtt")
    names = formats_named(job.to) if job.to else ()
    with nullcontext() if given_bundle else RunDir(job.source).reopen() as rundir:
        devices.setup()
        if rundir is not None:
            with activity("starting"):  # jax takes seconds to load
                from kerneldistill.runs import stages
            stages.export(rundir)
        if names:
            _write(job, names, rundir)


def _write(job: ExportArguments, names: tuple[str, ...], rundir: "RunDir | None") -> None:
    from kerneldistill.bundle.formats.export_source import ExportSource
    from kerneldistill.bundle.formats.exporter import export, show
    from kerneldistill.bundle.reader import read_bundle
    from kerneldistill.pipeline.prepared import load
    from kerneldistill.runtime.progress import activity

    folder = job.source if rundir is None else rundir.bundle
    beside = folder.absolute().parent / "prepared"
    prepared = job.prepared or (str(beside) if (beside / "manifest.json").is_file() else None)
    exported = ExportSource(
        bundle=read_bundle(folder),
        folder=folder,
        prepared=None if prepared is None else load(prepared),
        kornia=None if job.kornia is None else load(job.kornia).whitener,
        shift_labels=job.shift_labels,
    )
    exported.check()
    out = job.out or folder.absolute().parent / "export"
    with activity(f"writing {', '.join(names)}"):
        report = export(exported, names, out, job.tests, job.overwrite, leave_out="all" in named(job.to))
    show(report, out)
