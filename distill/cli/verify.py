"""verify: checks everything about something stored."""

import sys
from collections.abc import Iterator
from pathlib import Path

from etils import epath

from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import parse_stored
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import absolute, is_remote
from kerneldistill.pipeline.storage.manifest import Manifest


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
    if (path / "config.toml").exists():
        from kerneldistill.runs.verify import run_faults

        return run_faults(_local(path))
    if _is_bundle(path):
        from kerneldistill.bundle.reader import faults

        return faults(_local(path))
    from kerneldistill.pipeline.verify import problems

    return problems(path)


def _summary(path: epath.Path) -> str:
    if (path / "config.toml").exists():
        return f"{path}, a run directory"
    if _is_bundle(path):
        from kerneldistill.bundle.manifest import BundleManifest

        manifest = BundleManifest.from_file(_local(path) / "manifest.json")
        return f"{path}, {manifest.support_size} images distilled from {manifest.dataset} {manifest.dataset_version}"
    return f"{path}: {Manifest.load(path).summary()}"


def _local(path: epath.Path) -> Path:
    if is_remote(path):
        raise UserError(f"DIR is {path}, a run directory or a bundle at a URL; allowed is one on this machine: copy it")
    return Path(path)


def _is_bundle(path: epath.Path) -> bool:
    return (path / "support.npz").exists() or (path / "transform.npz").exists()
