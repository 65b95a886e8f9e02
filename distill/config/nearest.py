"""What somebody may have meant by a name that is none."""

from collections.abc import Collection
from difflib import SequenceMatcher

# Names that are all told, in characters; of more only the nearest are.
_SHORT = 90
_TOLD = 6
# Letters of what was given that are looked at.
_LONGEST = 200
# The least likeness of a name that may be meant, and how much less like than the best another may be.
_LEAST, _BESIDE = 0.6, 0.1


def nearest(given: str, allowed: Collection[str], most: int = 3) -> list[str]:
    """Return the allowed names that are most like what was given, the nearest first."""
    word = _plain(given[:_LONGEST])
    likeness = {name: _likeness(word, _plain(name)) for name in allowed}
    best = max(likeness.values(), default=0.0)
    near = [name for name in likeness if likeness[name] >= max(_LEAST, best - _BESIDE)]
    return sorted(near, key=lambda name: -likeness[name])[:most]


def offered(given: str, allowed: Collection[str], quoted: bool = False) -> str:
    """Say what is allowed instead of a name: all names if they are few, else the nearest, else the first.

    quoted: put the names into quotes, where they are words within a value

    Example:
      f"PRESET is {given!r}, {offered(given, PRESETS)}"
    """
    written = [repr(name) if quoted else name for name in allowed]
    near, names = nearest(given, allowed), ", ".join(written)
    if len(names) <= _SHORT:
        return f"allowed are: {names}"
    if near:
        return f"did you mean {' or '.join(repr(name) if quoted else name for name in near)}?"
    return f"allowed are: {', '.join(written[:_TOLD])}, ... ({len(allowed)} in all)"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _likeness(given: str, name: str) -> float:
    """From 0 to 1. A name that ends with what was given, after a point or a hyphen, is as like as can be."""
    bare = given.removeprefix("--")
    whole = len(bare) > 2 and (name.endswith((f".{bare}", f"-{bare}")) or name.removeprefix("--").startswith(bare))
    return max(0.9 * whole, SequenceMatcher(None, given, name).ratio())
