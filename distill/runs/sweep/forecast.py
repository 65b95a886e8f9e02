"""Predict what a sweep would do, and for how long."""

from collections.abc import Sequence
from pathlib import Path

from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.runs.planning.calibration import Speed, calibrate
from kerneldistill.runs.planning.levels import workloads_of
from kerneldistill.runs.planning.machine import machine
from kerneldistill.runs.planning.memory import memory_of
from kerneldistill.runs.planning.plan import check_fits, label_solve_seconds, seconds_of
from kerneldistill.runs.sweep.cases import Case
from kerneldistill.runs.sweep.directories import Place, places_of
from kerneldistill.runtime import devices
from kerneldistill.runtime.console import closing_table, duration

# By kernel, shape of the images, and whether the steps take Jacobians.
Speeds = dict[tuple[KernelConfig, tuple[int, int, int], bool], Speed]


def forecast(cases: Sequence[Case], folder: Path, timed: bool) -> None:
    """Print a line for each case: its run directory, its progress and, if `timed`, how long its plan takes.

    Time each network once for each order of steps, on its first case; skip cases that are done.

    Raises:
      UserError: some cases cannot run; their lines say why.
    """
    devices.setup()
    rows, speeds, total, refused = [], {}, 0.0, 0
    for place in places_of(cases, folder):
        status, seconds = place.status, 0.0
        if status != "done":
            try:
                seconds = _seconds(place, speeds, timed)
            except UserError as error:
                status, refused = f"cannot run: {' '.join(str(error).split())}", refused + 1
        total += seconds
        rows.append((place.rundir.path.name, status, duration(seconds) if seconds else ""))
    if timed:
        rows.append(("in total", "", duration(total)))
    closing_table(f"{len(cases)} runs in {folder}", ("run", "is", "would take"), rows)
    if refused:
        raise UserError(f"{refused} of {len(cases)} runs cannot be run, each for the reason told above")


def _seconds(place: Place, speeds: Speeds, timed: bool) -> float:
    """Return the seconds of a whole run, as if it had not started."""
    here = machine()
    works, seconds = workloads_of(place.case.config, place.rundir, here.devices), 0.0
    for work in works:
        check_fits(work.config, memory_of(work), here)
        if not timed:
            continue
        key = (work.config.kernel, work.size.image_shape, work.second_order is not None)
        if key not in speeds:
            speeds[key] = calibrate(work)
        of_method = label_solve_seconds if place.case.command == "label-solve" else seconds_of
        planned = of_method(work, speeds[key])
        seconds += planned.total if work is works[-1] else planned.learning
    return seconds
