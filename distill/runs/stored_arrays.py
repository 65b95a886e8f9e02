"""Read the arrays of a run's own files."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kerneldistill.errors import UserError


@contextmanager
def stored_arrays(path: Path, remedy: str) -> Iterator[Mapping[str, np.ndarray]]:
    """Open an .npz, every member of which carries a CRC; what goes wrong inside the block counts as damage.

    Raises:
      UserError: the file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            yield arrays
    except Exception as error:  # of any class: it depends on the byte that is damaged
        raise UserError(f"{path} is damaged ({type(error).__name__}: {error}): {remedy}") from error
