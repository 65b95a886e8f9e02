"""Texts that come from a file: whether they are names, how a terminal shows them, and what they are as file names.

A text of a stranger is data. It is never a path by itself: `file_name` turns it into one part of a path, and `below`
refuses a path that leads out of the folder that was asked for.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Interval, Predicate

from kerneldistill.pipeline.errors import DataError

MAX_NAME = 500
MAX_TEXT = 4000
# Letters of Persian and of several Indian scripts are joined or kept apart by these two, which print nothing.
_JOINERS = "\u200c\u200d"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RELATIVE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def is_printed(letter: str) -> bool:
    """Return whether a letter shows as itself: no control character, none that turns the direction, no half letter."""
    return letter.isprintable() or letter in _JOINERS


def is_text(text: str) -> bool:
    """Return whether a text is one line of at most `MAX_TEXT` letters that all print."""
    return len(text) <= MAX_TEXT and all(map(is_printed, text))


def is_name(text: str) -> bool:
    """Return whether a text can name a data set or a class: 1 to `MAX_NAME` letters that print, no space around."""
    return 0 < len(text) <= MAX_NAME and text == text.strip() and is_text(text)


def is_path(text: str) -> bool:
    """Return whether a text can be a path that a file in UTF-8 keeps: no null, no half letter."""
    return len(text) <= MAX_TEXT and not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def are_names(texts: Sequence[str]) -> bool:
    """Return whether all are names, and no two the same."""
    return len(set(texts)) == len(texts) and all(map(is_name, texts))


def _is_digest(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def is_relative(text: str) -> bool:
    """Return whether a text is a plain relative path, downwards only, such as `shards/train-00000.array_record`."""
    return len(text) <= MAX_NAME and _RELATIVE.fullmatch(text) is not None


# Types for what is read from a file; pydantic enforces them.
Name = Annotated[str, Predicate(is_name)]
Names = Annotated[tuple[str, ...], Predicate(are_names)]
Text = Annotated[str, Predicate(is_text)]
Digest = Annotated[str, Predicate(_is_digest)]
RelativePath = Annotated[str, Predicate(is_relative)]
Whole = Annotated[int, Interval(ge=0, le=2**53)]


def printable(text: str) -> str:
    r"""Return a text for a terminal: on one line, what does not print as an escape such as `\x1b`."""
    return "".join(letter if is_printed(letter) else ascii(letter)[1:-1] for letter in text)


def file_name(text: str) -> str:
    """Return a text as one part of a path: letters and digits of ASCII, `.`, `_` and `-`, not hidden, at most 100 long.

    A text that had to be changed ends in eight digits of its hash, so that two texts do not become one name.
    """
    if _SAFE.fullmatch(text):
        return text
    kept = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:80] or "name"
    return f"{kept}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


def below(folder: Path, *parts: str) -> Path:
    """Return a path in `folder` to be written to, and create its parents.

    Raises:
      DataError: it leads out of `folder`, by itself or through a link.
    """
    path = folder.joinpath(*parts)
    base = os.path.realpath(folder)
    if os.path.commonpath([base, os.path.realpath(path)]) != base or os.path.realpath(path) == base:
        raise DataError(
            f"{printable('/'.join(parts))} leads out of {folder}, so it is not written: name another folder"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
