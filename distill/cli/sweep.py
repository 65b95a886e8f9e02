"""sweep: run every case of a file.

The comments below are the help texts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from kerneldistill.cli.invocation import Call


@dataclass(frozen=True)
class SweepArguments:
    """Which cases to run, and where."""

    # The cases, in TOML.
    file: Annotated[Positional[Path], arg(metavar="FILE")]
    # Where their run directories and index.csv are. Default: sweeps/NAME for a file NAME.toml.
    dir: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # Prepared data of all cases: a folder or a URL. Default: as of run, prepared once for all cases of the same data.
    prepared: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # Only list the cases, how far each is, and how long it would take by a plan.
    dry_run: bool = False
    # With dry-run: time a few tiles of every network. Without it there are no seconds, and nothing is compiled.
    calibrate: bool = True


ARGUMENTS = SweepArguments


def execute(call: Call) -> None:
    """Run every case of a file."""
    job = call.parse(SweepArguments)
    from kerneldistill.runs.sweep.cases import cases_of

    cases = cases_of(job.file, job.prepared)
    folder = job.dir or Path("sweeps", job.file.stem)
    if job.dry_run:
        from kerneldistill.runs.sweep.forecast import forecast

        forecast(cases, folder, job.calibrate)
        return
    from kerneldistill.report.sweep_page import PAGE, write_sweep_page
    from kerneldistill.runs.sweep.loop import sweep
    from kerneldistill.runtime.console import tell

    try:
        sweep(cases, folder, job.prepared, lambda: write_sweep_page(folder))
    finally:
        if (folder / PAGE).exists():
            tell(f"page: {folder / PAGE}")
