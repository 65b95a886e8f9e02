"""Arrays of images as uint8: what their numbers mean, and what is refused.

    uint8, or whole numbers 0..255     as they are
    numbers with fractions 0..1        times 255, rounded
    numbers with fractions 0..255      rounded

The range is found by reading every number once; images that were normalised otherwise are refused.
"""

from collections.abc import Iterator

import numpy as np

from kerneldistill.pipeline.errors import DataError

_AT_ONCE = 1 << 24
CHANNELS = (1, 3, 4)


def check_layout(images: np.ndarray, name: str) -> tuple[int, int, int, int]:
    """Return (n, h, w, c) of images [n, h, w] or [n, h, w, c].

    Raises:
      DataError: they are laid out in another way, or hold no numbers.
    """
    given = f"{name} is {images.dtype} {images.shape}"
    if images.dtype.kind not in "fiu" or images.ndim not in (3, 4):
        flat = ": save it as images, reshape(n, height, width, channels)" if images.ndim == 2 else ""
        raise DataError(f"{given}; allowed: uint8 [n, h, w] or [n, h, w, c], or numbers 0..1 or 0..255{flat}")
    n, h, w, c = (*images.shape, 1)[:4]
    if images.ndim == 4 and c not in CHANNELS and h in CHANNELS:
        raise DataError(f"{given}, channels first; allowed: channels last: save {name}.transpose(0, 2, 3, 1)")
    if not n:
        raise DataError(f"{given}; allowed: one image or more")
    return n, h, w, c


def scale_of(arrays: dict[str, np.ndarray]) -> int:
    """Return by what the numbers of all arrays are multiplied to be pixels 0..255: 1 or 255.

    Raises:
      DataError: some are below 0, above 255, or no numbers.
    """
    low, high, whole = np.inf, -np.inf, all(array.dtype.kind in "iu" for array in arrays.values())
    for name, array in arrays.items():
        if array.dtype == np.uint8:
            low, high = 0, 255
            continue
        for part in _parts(array):
            least, most = float(part.min()), float(part.max())
            if not (least >= 0 and most <= 255):  # NaN is neither
                raise DataError(
                    f"{name} is {array.dtype} from {least:g} to {most:g}; allowed: 0..1 or 0..255: undo the "
                    "normalisation before you save it"
                )
            low, high = min(low, least), max(high, most)
    return 1 if whole or high > 1 else 255


def to_uint8(images: np.ndarray, scale: int) -> np.ndarray:
    """Return images as pixels; see `scale_of`."""
    if images.dtype == np.uint8:
        return np.array(images)
    return np.rint(np.asarray(images, np.float64) * scale).astype(np.uint8)


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    rows = max(1, _AT_ONCE // max(1, array[:1].nbytes))
    return (array[start : start + rows] for start in range(0, len(array), rows))
