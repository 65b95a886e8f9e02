"""How long a piece of work may take, learned from those before it."""

from collections import deque
from collections.abc import Hashable

# What the first piece of a kind may take, in seconds: its programs are compiled.
FIRST_SECONDS = 1800.0
# What any piece may take, in seconds: a machine may be busy with something else for a while.
LEAST_SECONDS = 40.0
# How many times as long as the longest of the last few a piece may take.
FACTOR = 10.0

_REMEMBERED = 8


class Pace:
    """The limits of pieces of work, by kind.

    Example:
      pace = Pace()
      pace.took("chunk", 2.5)
      pace.limit("chunk")
    """

    def __init__(self) -> None:
        self._seconds: dict[Hashable, deque[float]] = {}
        self._compiled: set[Hashable] = set()

    def took(self, kind: Hashable, seconds: float) -> None:
        """Learns that a piece took so long. The first of a kind counts only until the second is known."""
        known = self._seconds.setdefault(kind, deque(maxlen=_REMEMBERED))
        if len(known) == 1 and kind not in self._compiled:
            self._compiled.add(kind)
            known.clear()
        known.append(seconds)

    def limit(self, kind: Hashable) -> float:
        """What a piece of a kind may take, in seconds."""
        known = self._seconds.get(kind)
        return FIRST_SECONDS if known is None else max(LEAST_SECONDS, FACTOR * max(known))
