"""The run of the level before another run: the same stages, in a folder inside the other's."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from kerneldistill.config.coarse import coarser
from kerneldistill.config.schema import Config
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.completion import Stages, stages_of
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome
from kerneldistill.runtime.distributed.collectives import from_first


def awaits_coarse(config: Config, rundir: RunDir) -> bool:
    """Whether the level before is still to be learned: its set is not kept as the start of the run yet."""
    return bool(config.coarse) and not from_first(rundir.start_file.exists)


@contextmanager
def coarse_run(config: Config, rundir: RunDir) -> Iterator[tuple[Config, RunDir]]:
    """Open the run of the level before, whose own level before is in `coarse` of its configuration.

    Raises:
      UserError: see `coarser` and `RunDir.open`.
      DataError: the data of the run are not prepared.
    """
    level, _ = coarser(config, Manifest.load(rundir.prepared).image_shape)
    with ExitStack() as stack:
        from_first(lambda: stack.enter_context(rundir.coarse.open(level)) and None)
        yield level, rundir.coarse


def share_data(rundir: RunDir) -> None:
    """Let the level before, whose images are those of the run, read the run's prepared data."""
    if not rundir.coarse.prepared.exists():
        rundir.coarse.prepared.symlink_to(f"../{rundir.prepared.name}")


def first_images(rundir: RunDir, outcome: Outcome) -> np.ndarray:
    """The images that the first of all levels began with whose data are the run's own."""
    before = rundir.coarse
    if before.prepared.resolve() == rundir.prepared.resolve() and before.outcome_file.exists():
        return first_images(before, Outcome.load(before.outcome_file))
    return outcome.start.support.images


def is_learned(config: Config, rundir: RunDir) -> bool:
    """Whether a run has learned its set, from the data and the settings that it has now."""
    distill, *_ = stages_of(config, rundir)
    return from_first(lambda: Stages(rundir.stages_file).is_done(distill))
