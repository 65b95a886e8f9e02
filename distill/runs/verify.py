"""Everything that a run directory can be asked, for `kdistill verify`. Nothing in it is changed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerneldistill.bundle import reader
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.pipeline import verification
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.completion import Stages, stages_of
from kerneldistill.runs.directory import RunDir, is_run
from kerneldistill.runs.finished_files import DIGESTS, irregular
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runs.results import Results
from kerneldistill.runs.training.metrics import MetricsLog

_AGAIN = "the command that made it, given again, makes it anew"


def find_problems(folder: Path) -> Iterator[str]:
    """Yield what is wrong with a run directory, one complete line each; what is not made yet is not wrong."""
    rundir = RunDir(folder)
    pipes = list(irregular(folder))
    if pipes:  # nothing can be read safely
        yield from pipes
        return
    try:
        config = rundir.config()
    except UserError as error:
        yield str(error)
        return
    manifest = None
    if rundir.prepared.is_symlink() and not rundir.prepared.exists():
        yield f"{rundir.prepared} leads to {rundir.prepared.readlink()}, which is not there: {_AGAIN}"
    elif rundir.prepared.is_dir() or rundir.has_begun:
        try:
            yield from verification.find_problems(rundir.prepared)
            manifest = Manifest.load(rundir.prepared)
        except UserError as error:
            yield str(error)
    found = [
        *_fingerprint(rundir, manifest),
        *_metrics(rundir),
        *_checkpoints(rundir),
        *_made(rundir, config, manifest),
    ]
    yield from found
    # What is named above, with its reason, is not named again for its digest alone.
    yield from (problem for problem in _digests(rundir) if not any(problem.split(" is ")[0] in told for told in found))
    if is_run(rundir.coarse.path):
        yield from find_problems(rundir.coarse.path)
    if rundir.bundle.is_dir():
        found = list(reader.find_problems(rundir.bundle))
        yield from found
        if not found:
            yield from _bundle(rundir, manifest)


def _fingerprint(rundir: RunDir, manifest: Manifest | None) -> Iterator[str]:
    """Check that the data are those that the run began with."""
    file = rundir.fingerprint_file
    if manifest is None or not (file.is_file() or rundir.has_begun):
        return
    if not file.is_file():
        yield f"{file} is missing, or no file any more: {_AGAIN}"
        return
    begun = file.read_bytes().decode(errors="replace").strip()
    if begun != manifest.fingerprint:
        yield (
            f"{file} says {begun[:16]!r}, the prepared data have fingerprint {manifest.fingerprint[:16]}: "
            "put the data back that the run began with"
        )


def _digests(rundir: RunDir) -> Iterator[str]:
    """Check the digests of all finished files, and that a run that has begun has such digests."""
    files = rundir.finished
    if rundir.has_begun and not (rundir.path / DIGESTS).is_file():
        yield f"{rundir.path / DIGESTS} is missing, or no file any more: nobody can tell what is as the run wrote it"
        return
    yield from files.problems()
    if rundir.outcome_file.exists() and not rundir.stages_file.is_file():
        yield f"{rundir.stages_file} is missing, or no file any more: {_AGAIN}"


def _metrics(rundir: RunDir) -> Iterator[str]:
    """Check that every line is a record, in the order of the steps, up to the newest checkpoint."""
    try:
        steps = [record["step"] for record in MetricsLog(rundir.metrics_file).read()]
    except (UserError, OSError) as error:
        yield str(error)
        return
    saved = max(_steps_in(rundir.checkpoints), default=0)
    if saved > max(steps, default=0):
        yield f"{rundir.metrics_file} lacks the steps before checkpoint {saved}: copy it back from a backup"
    if any(np.diff(steps) < 0):
        yield f"{rundir.metrics_file} has steps out of order: two runs wrote to it; move the file away"


def _checkpoints(rundir: RunDir) -> Iterator[str]:
    """Check the digest of every leaf of every step that is kept."""
    kept = [folder for folder in (rundir.checkpoints, rundir.best, rundir.fork) if folder.is_dir()]
    if kept:
        from kerneldistill.runs.training.checkpoints import damaged

        for folder in kept:
            yield from damaged(folder)


def _made(rundir: RunDir, config: Config, manifest: Manifest | None) -> Iterator[str]:
    """Check the outcome, the results, and that each stage's files are those that it made from what is there now."""
    if rundir.outcome_file.is_file():
        try:
            outcome = Outcome.load(rundir.outcome_file)
            if manifest is not None:
                outcome.check_fits(rundir.outcome_file, manifest, config.kernel.dtype)
        except UserError as error:
            yield str(error)
    if rundir.results_file.is_file():
        try:
            Results.load(rundir.results_file)
        except UserError as error:
            yield str(error)
    stages = Stages(rundir.stages_file)
    solving, *_ = stages_of(config, rundir, "label-solve")
    for stage in (solving, *stages_of(config, rundir)):
        if stages.knows(stage.name) and not stages.is_done(stage):
            names = ", ".join(str(path) for path in stage.outputs)
            yield f"{names}: not as `{stage.name}` made it, or made from files that have changed since; {_AGAIN}"


def _bundle(rundir: RunDir, manifest: Manifest | None) -> Iterator[str]:
    """Check that the bundle holds the outcome of this run, and is of its data."""
    bundle = read_bundle(rundir.bundle)
    if manifest is not None and bundle.manifest.fingerprint != manifest.fingerprint:
        yield f"{rundir.bundle} is of other data than {rundir.prepared}: write it again with kdistill export"
    try:
        outcome = Outcome.load(rundir.outcome_file)
    except UserError:
        return
    order = np.argsort(outcome.start.class_ids, kind="stable")
    for name in ("images", "labels"):
        if not np.array_equal(getattr(outcome.support, name).astype(np.float32)[order], getattr(bundle, name)):
            again = "write it again with kdistill export"
            yield f"{rundir.bundle}: its {name} are not those of {rundir.outcome_file}: {again}"


def _steps_in(folder: Path) -> list[int]:
    """The steps that are saved in a folder of checkpoints."""
    return [int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()] if folder.is_dir() else []
