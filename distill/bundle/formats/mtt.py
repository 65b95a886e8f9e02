"""The files of MTT and DATM: images_best.pt and labels_best.pt, for DATM also lr_best.pt.

    images_best.pt   float32 NCHW, class-major, in kornia's ZCA (--zca there) or normalised
    labels_best.pt   MTT: int64 [n]; DATM: float32 [n, k], of which its loss takes the softmax
    lr_best.pt       DATM: the learning rate for training on them

(GeorgeCazenavette/mtt-distillation distill.py; NUS-HPC-AI-Lab/DATM distill/DATM.py. What MTT calls images_zca_*.pt is a
copy in pixels, for looking at.)
"""

from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.export_source import Copy, Exported, nchw, together
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.torch_archive import Value, torch_bytes
from kerneldistill.bundle.untrusted.torch_file import read_torch
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole

# Nothing was learned with a rate: the one that MTT and DD-Ranking train with by default (lr_teacher, default_lr).
LEARNING_RATE = 0.01


def write(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes MTT's two files."""
    images = write_tensors(exported, folder, {"labels_best": exported.hard_labels})
    lost = together(exported.lost_space(exported.torch_space), exported.lost_labels())
    return (Copy("images_best.pt, labels_best.pt", read(images), exported.torch_space, lost),)


def write_datm(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes DATM's three files."""
    rate = np.array(LEARNING_RATE, np.float32)
    images = write_tensors(exported, folder, {"labels_best": exported.soft_labels, "lr_best": rate})
    lost = exported.lost_space(exported.torch_space)
    return (Copy("images_best.pt, labels_best.pt", read(images), exported.torch_space, lost),)


def write_tensors(exported: Exported, folder: Path, others: dict[str, Value], images: str = "images_best") -> Path:
    """Writes one .pt for each name; gives that of the images."""
    for name, value in {images: nchw(exported.images_in(exported.torch_space)), **others}.items():
        write_whole(folder / f"{name}.pt", torch_bytes(value, name))
    return folder / f"{images}.pt"


def read(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Reads a file of images and, beside it, that of the labels: images_best.pt and labels_best.pt, and the like.

    Raises:
      UserError: one of them is missing, is no tensor, or holds more than data.
    """
    return set_in(read_torch(path), path, layout)


def set_in(images: object, path: Path, layout: Layout | None) -> ForeignSet:
    """The set whose images are those of `path`."""
    beside = path.with_name(path.name.replace("images", "labels"))
    if beside == path or not beside.is_file():
        raise UserError(
            f"{path} holds images alone; their labels belong beside them in a file of the same name with labels for "
            "images, such as images_best.pt and labels_best.pt"
        )
    labels = read_torch(beside)
    if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray):
        raise UserError(f"{path} and {beside.name} are no two tensors, so no set of MTT or DATM")
    return foreign_set("tensors of MTT", images, labels, layout or "NCHW")
