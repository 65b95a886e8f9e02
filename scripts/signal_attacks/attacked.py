"""What is left alone first, then attacked again and again until it comes through, and compared."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from scripts.signal_attacks.trial import Started, Trial


class Attacked(ABC):
    """Processes in folders below one folder: `alone`, and one for each time that they come through attacks.

    seconds: that they take when left alone
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seconds = 0.0
        self._number = 0
        self._broken: Path | None = None
        self._whole: object = None
        folder.mkdir(parents=True, exist_ok=True)
        self.cache = folder.parent / "cache"

    @abstractmethod
    def start(self, place: Path) -> list[Started]:
        """Start what fills `place`."""

    @abstractmethod
    def facts(self, place: Path) -> object:
        """What must not depend on attacks."""

    def make_ready(self, place: Path) -> None:
        """Make what is needed in `place`."""
        place.mkdir()

    def leave_alone(self) -> None:
        """Let it come through twice: the second, with programs compiled, is timed."""
        for name in ("alone", "timed"):
            place = self.folder / name
            self.make_ready(place)
            began = time.monotonic()
            statuses = [each.process.wait() for each in self.start(place)]
            if any(statuses):
                raise SystemExit(f"{self.name}, left alone, ended with {statuses}: see the logs in {self.folder}")
            self.seconds = time.monotonic() - began
        self._whole = self.facts(self.folder / "alone")
        if self.facts(self.folder / "timed") != self._whole:
            raise SystemExit(f"{self.name}, left alone twice, made two different things")

    def ended(self) -> Iterator[Trial]:
        """Let what is interrupted come through, and compare it."""
        if self._broken is None:
            return
        began = time.monotonic()
        started = self.start(self._broken)
        statuses = [each.process.wait() for each in started]
        wrong = f"{statuses}: {started[0].said()[-500:]}" if any(statuses) else self.compared()
        yield Trial(f"{self.name}, resumed", "0 s", f"statuses {statuses}", time.monotonic() - began, wrong)

    def place(self) -> Path:
        """The folder that is filled now, under attack."""
        if self._broken is None:
            self._number += 1
            self._broken = self.folder / f"broken-{self._number}"
            self.make_ready(self._broken)
        return self._broken

    def compared(self) -> str:
        """Say where what came through is not as what was left alone."""
        place, self._broken = self.place(), None
        return "" if self.facts(place) == self._whole else f" {place} is not as {self.folder / 'alone'}"
