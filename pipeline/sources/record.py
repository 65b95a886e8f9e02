"""`Record`: one example as a source yields it; `BadRecord`: one that cannot be used."""

import hashlib
from typing import NamedTuple

import numpy as np


class Record(NamedTuple):
    """One example, not yet decoded.

    key: stable name of the example, the same on every run, unique in the source
    image: encoded picture (PNG, JPEG, ...), or uint8 [h, w, c]
    label: class index
    """

    key: str
    image: bytes | np.ndarray
    label: int


class BadRecord(NamedTuple):
    """One example that cannot be used: a line of dead_letter.jsonl.

    key: stable name of the example
    reason: what is wrong with it
    sha256: hex digest of the bytes found
    """

    key: str
    reason: str
    sha256: str


def bad(key: str, reason: str, content: bytes | np.ndarray) -> BadRecord:
    """Make a `BadRecord` with the digest of `content`."""
    raw = content if isinstance(content, bytes) else np.ascontiguousarray(content).tobytes()
    return BadRecord(key, reason, hashlib.sha256(raw).hexdigest())
