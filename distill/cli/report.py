"""report: show runs and bundles as one page.

The comments below are the help texts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from kerneldistill.cli.invocation import Call
from kerneldistill.errors import UserError

TEST_IMAGES = 2000


@dataclass(frozen=True)
class ReportArguments:
    """What to report on, and where to write."""

    # Run directories, or bundles; several are shown side by side.
    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN...")]
    # The page; a Markdown file of the same name goes beside it. Default: report/report.html in the run, for several
    # report.html here.
    out: Annotated[Path | None, arg(metavar="FILE.html", help_behavior_hint="")] = None
    # Test images that confusion, certainty and training in time are computed from, at most, evenly spaced; 0 for none.
    test_images: int = TEST_IMAGES


def execute(call: Call) -> None:
    """Write a report."""
    asked = call.parse(ReportArguments)
    if not asked.runs:
        raise UserError("RUN is missing: give run directories of kdistill, or bundles")
    if asked.test_images < 0:
        raise UserError(f"--test-images is {asked.test_images}, allowed is 0 or more")
    if asked.out is not None and asked.out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out is {asked.out}, allowed is a name that ends with .html")
    from kerneldistill.report.report import default_out, write_report
    from kerneldistill.runtime.console import tell
    from kerneldistill.runtime.progress import activity

    with activity("writing the report"):
        written = write_report(asked.runs, asked.out or default_out(asked.runs), asked.test_images)
    tell(f"report: {written.html}   Markdown: {written.markdown}")
