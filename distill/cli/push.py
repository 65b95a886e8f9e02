"""push: give a set to the Hugging Face hub, as `kdistill export --to hf` writes it.

The comments below are the help texts.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from kerneldistill.bundle.location import is_bundle
from kerneldistill.cli.invocation import Call
from kerneldistill.errors import UserError


@dataclass(frozen=True)
class PushArguments:
    """What to give, and where to."""

    # A run directory that is done, or the folder of a bundle.
    source: Annotated[Positional[Path], arg(metavar="RUN|BUNDLE")]
    # The data set on the hub; without a slash, one of yours.
    repo: Annotated[Positional[str], arg(metavar="NAME/REPO")]
    # Make it a private one, if it is not there yet.
    private: bool = False


ARGUMENTS = PushArguments


def execute(call: Call) -> None:
    """Give a set to the hub."""
    asked = call.parse(PushArguments)
    from kerneldistill.bundle.hub import opened_hub, upload
    from kerneldistill.runtime.console import tell
    from kerneldistill.runtime.progress import activity

    folder = _bundle_of(asked.source)
    opened_hub()
    from kerneldistill.bundle.formats.export_source import ExportSource
    from kerneldistill.bundle.formats.exporter import export
    from kerneldistill.bundle.reader import read_bundle

    with tempfile.TemporaryDirectory() as scratch, activity(f"giving {folder} to the hub"):
        source = ExportSource(read_bundle(folder), folder, prepared=None, kornia=None, shift_labels=False)
        export(source, ("hf",), Path(scratch), tests=0)
        address = upload(Path(scratch, "hf"), asked.repo, asked.private)
    tell(f"given to {address}")


def _bundle_of(path: Path) -> Path:
    from kerneldistill.runs.directory import RunDir, is_run

    folder = RunDir(path).bundle if is_run(path) else path
    if not is_bundle(folder):
        raise UserError(f"RUN|BUNDLE is {path}, which holds no bundle: give a run that kdistill run has finished")
    return folder
