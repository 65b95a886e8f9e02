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

    # Run directories, or bundles; several are shown side by side. Or the folder of a sweep.
    runs: Annotated[Positional[tuple[Path, ...]], arg(metavar="RUN...")]
    # The page; a Markdown file of the same name goes beside it. Default: report/report.html in the run, beside the
    # first of several.
    out: Annotated[Path | None, arg(metavar="FILE.html", help_behavior_hint="")] = None
    # Test images that confusion, certainty and training in time are computed from, at most, evenly spaced; 0 for none.
    test_images: int = TEST_IMAGES
    # Bundles only: the prepared data set to test them on.
    prepared: Annotated[str | None, arg(metavar="DIR", help_behavior_hint="")] = None
    # Bundles only: whiten the prepared data anew where they live in another space than a bundle.
    rewhiten: bool = False
    # Show the page in a browser.
    open: bool = False


ARGUMENTS = ReportArguments


def execute(call: Call) -> None:
    """Write a report."""
    asked = call.parse(ReportArguments)
    if not asked.runs:
        raise UserError("RUN is missing: give run directories or bundles, for example kdistill report runs/digits")
    if asked.test_images < 0:
        raise UserError(f"--test-images is {asked.test_images}, allowed is 0 or more")
    if asked.out is not None and asked.out.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--out is {asked.out}, allowed is a name that ends with .html")
    if asked.rewhiten and asked.prepared is None:
        raise UserError("--rewhiten is given without data to whiten anew: name them with --prepared DIR")
    from kerneldistill.report.sweep_page import is_sweep
    from kerneldistill.runtime.console import tell
    from kerneldistill.runtime.progress import activity

    if len(asked.runs) == 1 and is_sweep(asked.runs[0]):
        _report_sweep(asked)
        return
    from kerneldistill.report.report import Examined, default_out, write_report

    with activity("writing the report"):
        written = write_report(
            asked.runs,
            asked.out or default_out(asked.runs),
            Examined(asked.test_images, asked.prepared, asked.rewhiten),
        )
    tell(f"report: {written.html}   Markdown: {written.markdown}")
    if asked.open:
        show(written.html)


def _report_sweep(asked: ReportArguments) -> None:
    """Write the page of a sweep, whose place is beside its index."""
    from kerneldistill.report.sweep_page import write_sweep_page
    from kerneldistill.runtime.console import tell

    if asked.out is not None:
        raise UserError(f"--out is {asked.out}, but the page of a sweep lies beside its runs: leave it out")
    page = write_sweep_page(asked.runs[0])
    tell(f"page: {page}")
    if asked.open:
        show(page)


def show(page: Path) -> None:
    """Show a page in the user's browser; tell where there is none."""
    import webbrowser

    from kerneldistill.runtime.console import tell

    if not webbrowser.open(page.resolve().as_uri()):
        tell(f"no browser was found here: open {page} with one")
