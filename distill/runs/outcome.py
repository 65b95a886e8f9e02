"""The outcome of a run: the support that was chosen, in one file that evaluation and export start from."""

import io
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from kerneldistill.algorithms.support import LabelMode, Support
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.storage.manifest import Manifest

_AGAIN = "the command that made it (run, distill or label-solve), given again, makes it anew"


class Outcome(NamedTuple):
    """A chosen support and where it began.

    support: images and labels
    init_indices: int64 [s] row of the prepared train split each image began as; -1 where it was none of it
    class_ids: int32 [s] class each image began in
    step: outer steps done
    label_mode: how the labels came about
    ridge: it was chosen with, relative to the mean diagonal: that of the configuration, raised where a fault made it
    """

    support: Support
    init_indices: np.ndarray
    class_ids: np.ndarray
    step: int
    label_mode: LabelMode
    ridge: float

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
            with np.load(io.BytesIO(path.read_bytes())) as file:
                support = Support(file["images"], file["labels"])
                mode = str(file["label_mode"])
                if mode not in get_args(LabelMode):
                    raise ValueError(f"label_mode is {mode!r}")
                step, ridge = int(file["step"]), float(file["ridge"])
                return cls(support, file["init_indices"], file["class_ids"], step, mode, ridge)
        except Exception as error:  # of any class: it depends on the byte that is damaged
            raise UserError(f"{path} is damaged ({type(error).__name__}: {error}): {_AGAIN}") from error

    def check_fits(self, path: Path, manifest: Manifest, dtype: str) -> None:
        """Checks that what was read from `path` belongs to a prepared data set and a precision of the kernel.

        Raises:
          UserError: it is another run's.
        """
        size = len(self.init_indices) if self.init_indices.ndim else 0
        needed = {
            "images": (self.support.images, dtype, (size, *manifest.image_shape)),
            "labels": (self.support.labels, "float64", (size, len(manifest.class_names))),
            "init_indices": (self.init_indices, "int64", (size,)),
            "class_ids": (self.class_ids, "int32", (size,)),
        }
        for name, (array, kind, shape) in needed.items():
            if array.dtype != kind or array.shape != shape:
                there = f"{name} is {array.dtype} {array.shape} there, not {kind} {shape}"
                raise UserError(f"{path} is of another run, {there}: {_AGAIN}")
        if not size or not -1 <= self.init_indices.min() <= self.init_indices.max() < manifest.count("train"):
            raise UserError(f"{path} is of another run: init_indices are no rows of the training split: {_AGAIN}")
