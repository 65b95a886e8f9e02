"""How a process becomes one of several: by flags, by the environment, or by what the scheduler says."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from kerneldistill.errors import UserError

# What says the same as the flags, where there are none.
COORDINATOR, COUNT, INDEX = "KERNELDISTILL_COORDINATOR", "KERNELDISTILL_PROCESSES", "KERNELDISTILL_PROCESS"


@dataclass(frozen=True)
class Processes:
    """Several processes of the same command, which share the work and one run directory."""

    # HOST:PORT of process 0, or auto: as SLURM, Open MPI, a TPU pod or Kubernetes says. Default: this process alone.
    coordinator: str | None = None
    # How many there are.
    count: int | None = None
    # Which of them this is, from 0.
    index: int | None = None
    # Seconds that the first to come waits for the last.
    wait: int = 60


ALONE = Processes()


def resolved(given: Processes, environment: Mapping[str, str] = os.environ) -> Processes | None:
    """What `given` and the environment say; None: this process is alone.

    Raises:
      UserError: they are incomplete or contradict each other.
    """
    if given.wait < 1:
        raise UserError(f"--processes.wait is {given.wait}, allowed is a number of seconds from 1 up")
    coordinator = given.coordinator or environment.get(COORDINATOR)
    count = _number(given.count, COUNT, environment)
    index = _number(given.index, INDEX, environment)
    if coordinator is None:
        if count is not None or index is not None:
            raise UserError(
                f"--processes.count is {count} and --processes.index is {index}, but nothing says where process 0 is: "
                "give --processes.coordinator HOST:PORT, or auto"
            )
        return None
    if coordinator == "auto":
        return Processes("auto", count, index, given.wait)
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdecimal()):
        raise UserError(f"--processes.coordinator is {coordinator!r}, allowed are HOST:PORT of process 0 and auto")
    if count is None or index is None or not 0 <= index < count:
        raise UserError(
            f"--processes.count is {count} and --processes.index is {index}, allowed are a number from 1 up and one "
            "from 0 below it, another for each process: for example --processes.count 2 --processes.index 0"
        )
    return Processes(coordinator, count, index, given.wait)


def _number(given: int | None, name: str, environment: Mapping[str, str]) -> int | None:
    text = environment.get(name)
    if given is not None or text is None:
        return given
    if not text.isdecimal():
        raise UserError(f"{name} is {text!r}, allowed is a number from 0 up: set it, or unset it")
    return int(text)
