"""verify: check everything about something stored.

The comments below are the help texts.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from kerneldistill.bundle.location import is_bundle
from kerneldistill.cli.invocation import Call
from kerneldistill.errors import UserError
from kerneldistill.pipeline.titles import titled

if TYPE_CHECKING:
    from etils import epath


@dataclass(frozen=True)
class VerifyArguments:
    """What to check."""

    # A run directory, a bundle, or a prepared data set; the last may be a URL (gs://, s3://).
    dir: Annotated[Positional[str], arg(metavar="DIR")]


ARGUMENTS = VerifyArguments


def execute(call: Call) -> None:
    """Check everything about something stored: a run directory, a bundle, or a prepared data set."""
    given = call.parse(VerifyArguments).dir
    from kerneldistill.pipeline.storage.files import absolute
    from kerneldistill.pipeline.untrusted.names import printable

    path = absolute(given)
    if not path.exists():
        raise UserError(
            f"DIR is {given}, which is not there: give a run, a bundle or prepared data, as in {call.prog} runs/digits"
        )
    found = 0
    for problem in _problems(path):
        found += 1
        print(printable(" ".join(problem.split())), file=sys.stderr)
    if found:
        raise UserError(f"{path} has {found} problem{'s' * (found > 1)}, named above")
    print(printable(_summary(path)) + ": all as it was written")


def _problems(path: "epath.Path") -> Iterator[str]:
    from kerneldistill.runs.directory import is_run

    if is_run(path):
        from kerneldistill.runs.verify import find_problems

        return find_problems(_local(path))
    if is_bundle(path):
        from kerneldistill.bundle.reader import find_problems

        return find_problems(_local(path))
    from kerneldistill.pipeline.verification import find_problems

    return find_problems(path)


def _summary(path: "epath.Path") -> str:
    from kerneldistill.runs.directory import is_run

    if is_run(path):
        return f"{path}, a run directory"
    if is_bundle(path):
        from kerneldistill.bundle.manifest import BundleManifest

        manifest = BundleManifest.from_file(_local(path) / "manifest.json")
        source = titled(manifest.dataset, manifest.dataset_version)
        return f"{path}, {manifest.support_size} images distilled from {source}"
    from kerneldistill.pipeline.storage.manifest import Manifest

    return f"{path}: {Manifest.load(path).summary()}"


def _local(path: "epath.Path") -> Path:
    from kerneldistill.pipeline.storage.files import is_remote

    if is_remote(path):
        raise UserError(f"DIR is {path}, a run directory or a bundle at a URL; allowed is one on this machine: copy it")
    return Path(path)
