"""One attack and how it ended; processes that are started to be attacked."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# A run of seconds, most of them steps.
TINY = ["digits", "--kernel.network", "fc", "--kernel.depth", "1", "--support.learn-labels"]
TINY += [
    "--optim.steps",
    "60",
    "--optim.target-batch",
    "200",
    "--evaluate.every",
    "5",
    "--evaluate.baseline-draws",
    "1",
]


@dataclass(frozen=True)
class Trial:
    """what: was attacked, and by what. end: how it ended. seconds: until then. wrong: what must not be; else empty."""

    what: str
    moment: str
    end: str
    seconds: float
    wrong: str = ""

    def __str__(self) -> str:
        wrong = f"  WRONG: {self.wrong}" if self.wrong else ""
        return f"{self.what} at {self.moment}: {self.end} after {self.seconds:.1f} s{wrong}"

    def as_json(self) -> dict[str, object]:
        """The trial as JSON has it."""
        return asdict(self)


@dataclass
class Started:
    """A process of `kdistill` in a session of its own. log: what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def listens(self) -> bool:
        """Whether the program's own handler is in place: Python has none for SIGTERM."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return True
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def send(self, number: int) -> None:
        """Send a signal, if there still is somebody."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)

    def status(self, seconds: float) -> int | None:
        """The exit status; None if the process, which is then killed, lasts longer."""
        try:
            return self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def said(self) -> str:
        """What this process said."""
        return self.log.read_text(errors="replace")


def start(words: Sequence[str], log: Path, cache: Path, **environment: str) -> Started:
    """Start `kdistill WORDS`; `cache` keeps its compiled programs, small ones too."""
    environment |= {
        "KERNELDISTILL_PREPARED": "",
        "KERNELDISTILL_CACHE": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "kerneldistill", *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    return Started(process, log)


def left_behind(word: str) -> list[int]:
    """Processes whose command line has `word`, after a while in which they may end."""
    found: list[int] = []
    for _ in range(50):
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal() and int(folder.name) != os.getpid():
                try:
                    words = (folder / "cmdline").read_bytes()
                    alive = "\nState:\tZ" not in (folder / "status").read_text()
                except OSError:
                    continue
                if alive and b"kerneldistill" in words and word.encode() in words:
                    found.append(int(folder.name))
        if not found:
            return []
        time.sleep(0.2)
    return found
