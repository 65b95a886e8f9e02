"""A run that is done stays done when it is judged again: its bundle, which holds its results, is written anew."""

from collections.abc import Iterator
from contextlib import contextmanager

from kerneldistill.runs.completion import Stages, stages_of
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime.distributed import collectives


@contextmanager
def bundle_kept(rundir: RunDir) -> Iterator[None]:
    """Write the bundle anew after the block, in which results change, if it was up to date before.

    So it is after an error or an interruption: what was measured by then is in the results.
    """
    was = collectives.from_first(lambda: is_up_to_date(rundir))
    try:
        yield
    finally:
        if was and not collectives.from_first(lambda: is_up_to_date(rundir)):
            from kerneldistill.runs import stages

            stages.export(rundir)


def is_up_to_date(rundir: RunDir) -> bool:
    """Return whether the bundle was made from the results as they are."""
    *_, exporting = stages_of(rundir.config(), rundir)
    return Stages(rundir.stages_file).is_done(exporting)
