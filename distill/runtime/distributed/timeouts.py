"""How long a piece of work may take, learned from those before it."""

from collections import deque
from collections.abc import Hashable

# What the first piece of a kind may take, in seconds: its programs are compiled.
FIRST_SECONDS = 1800.0
# What any piece may take, in seconds: a machine may be busy with something else for a while.
LEAST_SECONDS = 40.0
# How many times as long as the longest of the last few a piece may take.
FACTOR = 10.0

# A kind of which nothing is learned: each is a first.
ANYTHING = "anything"

_REMEMBERED = 8


class Pace:
    """The limits of pieces of work, by kind and part.

    Example:
      pace = Pace()
      pace.took("chunk", 0, seconds=2.5)
      pace.limit("chunk", 0)
    """

    def __init__(self) -> None:
        self._seconds: dict[tuple[Hashable, int], deque[float]] = {}
        self._compiled: set[tuple[Hashable, int]] = set()

    def took(self, kind: Hashable, part: int, seconds: float) -> None:
        """Learns that a piece took so long. The first of a kind counts only until the second is known."""
        if kind == ANYTHING:
            return
        key = (kind, part)
        known = self._seconds.setdefault(key, deque(maxlen=_REMEMBERED))
        if len(known) == 1 and key not in self._compiled:
            self._compiled.add(key)
            known.clear()
        known.append(seconds)

    def limit(self, kind: Hashable, part: int) -> float:
        """What a piece of a kind may take, in seconds."""
        known = self._seconds.get((kind, part))
        return FIRST_SECONDS if known is None else max(LEAST_SECONDS, FACTOR * max(known))
