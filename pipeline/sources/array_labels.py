"""Arrays of labels as one whole number or text an image: one-hot rows become the number of their 1."""

import numpy as np

from kerneldistill.pipeline.errors import DataError


def label_rows(labels: np.ndarray, num_images: int, name: str) -> np.ndarray:
    """Return labels [n], whole numbers or texts, of whole numbers or texts [n] or [n, 1], or of one-hot rows [n, k].

    Raises:
      DataError: there is not one for each image, or a row is not one-hot.
    """
    given = f"{name} is {labels.dtype} {labels.shape}"
    allowed = f"allowed: whole numbers or texts [{num_images}], one per image, or one-hot [{num_images}, k]"
    rows = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if len(rows) != num_images or rows.ndim not in (1, 2) or (rows.ndim == 2 and rows.dtype.kind not in "fiub"):
        raise DataError(f"{given}; {allowed}")
    if rows.ndim == 2:
        if not is_one_hot(rows):
            raise DataError(f"{given}, but not one-hot: a row is one 1 and otherwise 0; save {name}.argmax(1)")
        return rows.argmax(1)
    if rows.dtype.kind == "f":
        if not (np.isfinite(rows).all() and (np.abs(rows) < 2**53).all() and (rows == np.rint(rows)).all()):
            raise DataError(f"{given} with fractions; {allowed}")
        return rows.astype(np.int64)
    return rows


def is_one_hot(rows: np.ndarray) -> bool:
    """Return whether each row of numbers [n, k] is one 1 and otherwise 0."""
    ones = rows == 1
    return bool((ones.sum(1) == 1).all() and ((rows == 0) | ones).all())
