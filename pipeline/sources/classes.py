"""Find the classes from the labels themselves, where a source lists no names: whole numbers or texts."""

from collections.abc import Iterable, Sequence

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted.names import is_name

MAX_CLASSES = 100_000


def name_of(label: object) -> str | None:
    """Name a label's class: a text as it is, a number in decimal; None for anything else, and below 0.

    A text with control characters, or of more than `MAX_NAME` letters, is no name.
    """
    if isinstance(label, bytes | str):
        text = label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
        return text if is_name(text) else None
    if isinstance(label, int | np.integer | np.bool_):
        return str(int(label)) if label >= 0 else None
    return None


def class_names(labels: Iterable[object], source: str) -> tuple[str, ...]:
    """Return the [k] names of the classes that occur, numbers in their order before texts in theirs.

    Raises:
      DataError: no label is usable, or so many differ that they cannot be classes.
    """
    names = {name for label in labels if (name := name_of(label)) is not None}
    if not names:
        raise DataError(f"{source} has no usable label; allowed: whole numbers from 0 up, or texts")
    if len(names) > MAX_CLASSES:
        raise DataError(f"{source} has {len(names)} different labels; allowed: {MAX_CLASSES}; name another label_key")
    return tuple(sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)))


def check_classes(names: Sequence[str], source: str) -> None:
    """Refuse a source of one class, of which everything would be told right.

    Raises:
      DataError: it has fewer than two.
    """
    if len(names) < 2:
        raise DataError(f"{source} has {len(names)} class ({', '.join(names)}); allowed: 2 or more: name another label")


def check_trained(names: Sequence[str], train: np.ndarray, test: np.ndarray, source: str) -> None:
    """Refuse classes [k] of which there is nothing to learn.

    Args:
      names: of all classes
      train, test: labels, int [n]
      source: name of the data set

    Raises:
      DataError: no training image is of a class.
    """
    absent = np.bincount(train, minlength=len(names)) == 0
    if absent.any():
        missing = [name for name, gone in zip(names, absent, strict=True) if gone]
        tested = int(absent[test].sum())
        some = ", ".join(missing[:5]) + ", ..." * (len(missing) > 5)
        raise DataError(
            f"{source} has no usable train image of {len(missing)} of its {len(names)} classes ({some}), and {tested} "
            "test images of them; allowed: 1 or more of each class: leave these classes out, or add train images"
        )
