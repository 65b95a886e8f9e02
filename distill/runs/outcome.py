"""The outcome of a run: the chosen support and its start, in one file that evaluation, export and reports read."""

import io
from pathlib import Path
from typing import NamedTuple, cast, get_args

import numpy as np

from kerneldistill.algorithms.support import NO_START, LabelMode, Start, Support
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.runs.stored_arrays import stored_arrays

_AGAIN = "the command that made it (run, distill or label-solve), given again, makes it anew"


class Outcome(NamedTuple):
    """A chosen support and where it began.

    support: images and labels
    start: at step 0
    step: outer steps done
    label_mode: how the labels came about
    ridge: it was chosen with, relative to the mean diagonal: that of the configuration, larger after rollbacks
    averaged: whether it is the mean of the supports of several steps
    """

    support: Support
    start: Start
    step: int
    label_mode: LabelMode
    ridge: float
    averaged: bool = False

    def save(self, path: Path) -> None:
        """Write an .npz, whole or not at all; equal outcomes give equal bytes."""
        buffer, start = io.BytesIO(), self.start
        np.savez(
            buffer,
            **self.support._asdict(),
            start_images=start.support.images,
            start_labels=start.support.labels,
            init_indices=start.init_indices,
            class_ids=start.class_ids,
            step=self.step,
            label_mode=self.label_mode,
            ridge=self.ridge,
            averaged=self.averaged,
        )
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Outcome":
        """Read what `save` wrote.

        Raises:
          UserError: there is no such file, or it is damaged.
        """
        if not path.exists():
            raise UserError(f"{path} is missing: nothing is distilled there yet; kdistill run or distill makes it")
        with stored_arrays(path, _AGAIN) as file:
            support = Support(file["images"], file["labels"])
            began_as = Support(file["start_images"], file["start_labels"])
            start = Start(began_as, file["init_indices"], file["class_ids"])
            mode = str(file["label_mode"])
            if mode not in get_args(LabelMode):
                raise ValueError(f"label_mode is {mode!r}")
            step, ridge, averaged = int(file["step"]), float(file["ridge"]), bool(file["averaged"])
            return cls(support, start, step, cast(LabelMode, mode), ridge, averaged)

    def check_fits(self, path: Path, manifest: Manifest, dtype: str) -> None:
        """Check that what was read from `path` belongs to a prepared data set and a precision of the kernel.

        Raises:
          UserError: it is another run's.
        """
        start, indices = self.start, self.start.init_indices
        size = len(indices) if indices.ndim else 0
        images, labels = (size, *manifest.image_shape), (size, len(manifest.class_names))
        needed = {
            "images": (self.support.images, dtype, images),
            "labels": (self.support.labels, "float64", labels),
            "start_images": (start.support.images, dtype, images),
            "start_labels": (start.support.labels, "float64", labels),
            "init_indices": (indices, "int64", (size,)),
            "class_ids": (start.class_ids, "int32", (size,)),
        }
        for name, (array, kind, shape) in needed.items():
            if array.dtype != kind or array.shape != shape:
                there = f"{name} is {array.dtype} {array.shape} there, not {kind} {shape}"
                raise UserError(f"{path} is of another run, {there}: {_AGAIN}")
        if not size or not NO_START <= indices.min() <= indices.max() < manifest.count("train"):
            raise UserError(f"{path} is of another run: init_indices are no rows of the training split: {_AGAIN}")
