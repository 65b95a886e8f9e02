"""Run all cases of a sweep: skip those that are done, report those that fail, and go on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kerneldistill.errors import UserError
from kerneldistill.runs.lock import locked
from kerneldistill.runs.sweep.cases import Case
from kerneldistill.runs.sweep.directories import Place, places_of
from kerneldistill.runs.sweep.index import INDEX, write_index
from kerneldistill.runs.sweep.subprocesses import LOG, End, run_case
from kerneldistill.runtime.console import duration, tell
from kerneldistill.runtime.progress import activity


def sweep(
    cases: Sequence[Case], folder: Path, prepared: str | None = None, shown: Callable[[], object] = lambda: None
) -> None:
    """Run every case that is not done in a run directory below `folder`; resume interrupted ones.

    prepared: where the data of all cases are, if they are prepared
    shown: called whenever the index is written

    Raises:
      UserError: the folder cannot be used; or, after all others are done, some runs failed.
      KeyboardInterrupt: after the current run has saved.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--dir is {folder}, which cannot be used: {error.strerror}. Choose another --dir") from error
    with locked(folder):
        failed = _run_all(places_of(cases, folder), folder, prepared, shown)
    if failed:
        raise UserError(
            f"{failed} of {len(cases)} runs failed, each for the reason told above and in {folder / INDEX}; the same "
            "command tries them again"
        )


def _run_all(places: Sequence[Place], folder: Path, prepared: str | None, shown: Callable[[], object]) -> int:
    reasons: dict[str, str] = {}
    write_index(places, reasons, folder)
    shown()
    for number, place in enumerate(places, 1):
        name, title = place.rundir.path.name, f"[{number}/{len(places)}] {place.rundir.path.name}"
        if place.status == "done":
            tell(f"{title}: done before, {_score(place)}")
            continue
        tell(f"{title}: {'goes on' if place.status == 'started' else 'starts'}; see {place.rundir.path / LOG}")
        began = time.monotonic()
        try:
            with activity(title):
                reason = _end_of(place, prepared).reason
            if reason:
                reasons[name] = reason
            outcome = f"failed: {reason}" if reason else f"done, {_score(place)} ({duration(time.monotonic() - began)})"
            tell(f"{title}: {outcome}")
        finally:  # interrupted or not
            write_index(places, reasons, folder)
            shown()
    tell(f"{len(places) - len(reasons)} of {len(places)} runs are done: {folder / INDEX}")
    return len(reasons)


def _end_of(place: Place, prepared: str | None) -> End:
    try:
        end = run_case(place, prepared)
    except UserError as error:  # of this directory alone: somebody else runs there, or it holds something else
        return End(2, " ".join(str(error).split()))
    if end.status == 0 and place.results is None:
        return End(0, f"it ended well, but has left no results; see {place.rundir.path / LOG}")
    return end


def _score(place: Place) -> str:
    results = place.results
    return "" if results is None else f"test accuracy {results.learned.accuracy:.1%}"
