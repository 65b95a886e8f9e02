"""The outcome of a run: the support that was chosen, in one file that evaluation and export start from."""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from distill.bundle_manifest import LabelMode
from distill.errors import UserError
from distill.support import Support
from pipeline.files import write_whole


class Outcome(NamedTuple):
    """A chosen support and where it began.

    support: images and labels
    init_indices: int64 [s] row of the prepared train split each image began as
    class_ids: int32 [s] class each image began in
    step: outer steps done
    label_mode: how the labels came about
    """

    support: Support
    init_indices: np.ndarray
    class_ids: np.ndarray
    step: int
    label_mode: LabelMode

    def save(self, path: Path) -> None:
        """Writes an .npz, whole or not at all; equal outcomes give equal bytes."""
        buffer = io.BytesIO()
        fields = self._asdict()
        np.savez(buffer, **fields.pop("support")._asdict(), **fields)
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Outcome":
        """Reads what `save` wrote.

        Raises:
          UserError: there is no such file, or it is damaged (every member of an .npz carries a CRC).
        """
        if not path.exists():
            raise UserError(f"{path} is missing: nothing is distilled there yet; kdistill run or distill makes it")
        try:
            with np.load(path) as file:
                support = Support(file["images"], file["labels"])
                return cls(support, file["init_indices"], file["class_ids"], int(file["step"]), str(file["label_mode"]))
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path} is damaged ({error}): remove it and run kdistill distill again, which goes on from the last "
                "checkpoint"
            ) from error
