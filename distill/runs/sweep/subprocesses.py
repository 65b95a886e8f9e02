"""Run one case of a sweep in its own process: what kills it does not touch the others."""

import os
import signal
import subprocess
import sys
from typing import NamedTuple

from kerneldistill.runs.sweep.directories import Place
from kerneldistill.runtime.signals import INTERRUPTED, PARENT, poll

# Beside the run's own files: all that its processes wrote to their standard streams.
LOG = "log.txt"

# Between two looks whether this process was asked to stop.
_POLL_SECONDS = 0.2


class End(NamedTuple):
    """How a process ended.

    status: exit status, or minus the number of the signal that killed it
    reason: why it failed, in one line; empty if it did not
    """

    status: int
    reason: str


def run_case(place: Place, prepared: str | None = None) -> End:
    """Run or resume a case.

    prepared: where its data are, if they are prepared

    Raises:
      KeyboardInterrupt: this process was told to stop; so was the run, which has saved and ended.
      UserError: the run directory cannot be used.
    """
    case, rundir = place
    with rundir.open(case.config):
        pass  # the configuration is there now, for the process to read
    with (rundir.path / LOG).open("ab") as log:
        start = log.tell()
        # In a session of its own: of Ctrl-C it hears from here alone, once.
        process = subprocess.Popen(
            command_of(place, prepared),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, PARENT: str(os.getpid())},
        )
        try:
            status = _waited_for(process)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
    return End(status, "" if status == 0 else _reason(place, status, start))


def _waited_for(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            poll()


def command_of(place: Place, prepared: str | None = None) -> list[str]:
    """Return the command line of a case."""
    case, rundir = place
    command = [sys.executable, "-m", "kerneldistill", case.command, case.preset]
    command += ["--config", str(rundir.config_file), "--dir", str(rundir.path)]
    return command if prepared is None else [*command, "--prepared", prepared]


def _reason(place: Place, status: int, start: int) -> str:
    if status == -signal.SIGKILL:
        return "killed by SIGKILL, as a system does that is out of memory"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    if status == INTERRUPTED:
        return "interrupted; the sweep, run again, resumes it"
    with (place.rundir.path / LOG).open("rb") as log:
        log.seek(start)
        lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    # A user's mistake is told in a line of its own; of a fault of the program the traceback's last says most.
    told = [line for line in lines if line.startswith("kdistill: error: ")]
    return (told or lines or [f"exit status {status}"])[-1].removeprefix("kdistill: error: ")
