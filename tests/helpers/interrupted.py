"""Runs `kdistill distill` to its end in one run directory, and again and again, stopped by signals, in another.

`python -m tests.helpers.interrupted WHOLE BROKEN SIGNAL:RECORDS...`: each signal is sent to a run in BROKEN when it has
written so many records of metrics. Prints the exit status of every run, that in WHOLE first, the unstopped last.
"""

import os
import signal
import sys
import time
from pathlib import Path

from kerneldistill.cli import main as cli
from kerneldistill.runs import stages  # noqa: F401  # imported once, here, instead of in each child
from kerneldistill.runs.directory import RunDir


def main(whole: str, broken: str, *stops: str) -> None:
    """Forks the runs, one after another; jax's backend starts in each."""
    print(status_of(start(whole)), flush=True)
    for stop in stops:
        name, records = stop.split(":")
        child = start(broken)
        while (
            written(broken) < int(records) and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            time.sleep(0.002)
        os.kill(child, signal.Signals[name])
        print(status_of(child), flush=True)
    print(status_of(start(broken)), flush=True)


def start(folder: str) -> int:
    """The process of a run in a directory that has its configuration."""
    child = os.fork()
    if child == 0:
        config = RunDir(Path(folder)).config_file
        os._exit(cli.main(["distill", "digits", "--config", str(config), "--dir", folder]))
    return child


def written(folder: str) -> int:
    """Records of metrics in a run directory."""
    file = RunDir(Path(folder)).metrics_file
    return file.read_bytes().count(b"\n") if file.exists() else 0


def status_of(child: int) -> int:
    """Of a process, when it has ended: its exit status, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
