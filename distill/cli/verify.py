"""verify: checks everything about something stored."""

import sys
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from kerneldistill.bundle.location import is_bundle
from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import parse_stored
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import absolute, is_remote
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.directory import is_run


def act(call: Call) -> None:
    """Check everything about something stored: a run directory, a bundle, or a prepared data set."""
    path = absolute(parse_stored(call.args, call.prog, call.description))
    found = 0
    for problem in _problems(path):
        found += 1
        print(" ".join(problem.split()), file=sys.stderr)
    if found:
        raise UserError(f"{path} has {found} problem{'s' * (found > 1)}, named above")
    print(_summary(path) + ": all as it was written")


def _problems(path: epath.Path) -> Iterator[str]:
    if is_run(path):
        from kerneldistill.runs.verify import find_problems

        return find_problems(_local(path))
    if is_bundle(path):
        from kerneldistill.bundle.reader import find_problems

        return find_problems(_local(path))
    from kerneldistill.pipeline.verify import problems

    return problems(path)


def _summary(path: epath.Path) -> str:
    if is_run(path):
        return f"{path}, a run directory"
    if is_bundle(path):
        from kerneldistill.bundle.manifest import BundleManifest

        manifest = BundleManifest.from_file(_local(path) / "manifest.json")
        return f"{path}, {manifest.support_size} images distilled from {manifest.dataset} {manifest.dataset_version}"
    return f"{path}: {Manifest.load(path).summary()}"


def _local(path: epath.Path) -> Path:
    if is_remote(path):
        raise UserError(f"DIR is {path}, a run directory or a bundle at a URL; allowed is one on this machine: copy it")
    return Path(path)
