"""The files of MTT: images_best.pt and labels_best.pt; DATM (`formats.datm`) adds lr_best.pt, and is read here, too.

    images_best.pt   float32 NCHW, class-major, in kornia's ZCA (--zca there) or normalised
    labels_best.pt   MTT: int64 [n]; DATM: float32 [n, k], of which its loss takes the softmax
    lr_best.pt       DATM: the learning rate for training on them

(GeorgeCazenavette/mtt-distillation distill.py; NUS-HPC-AI-Lab/DATM distill/DATM.py. What MTT calls images_zca_*.pt is a
copy in pixels, for looking at.)
"""

from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack, nchw, together
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.torch_archive import Value, torch_bytes
from kerneldistill.bundle.untrusted.torch_file import is_torch, read_torch
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole

# Nothing was learned with a rate: the one that MTT and DD-Ranking train with by default (lr_teacher, default_lr).
LEARNING_RATE = 0.01
# Names of MTT and DATM, and of DD-Ranking.
_IMAGES = ("images_best.pt", "images.pt")


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the two files."""
    source = source.class_major
    images = write_tensors(source, folder, {"labels_best": source.hard_labels})
    lost = together(source.lost_space(source.torch_space), source.lost_labels())
    return (ReadBack("images_best.pt, labels_best.pt", read(images), source.torch_space, lost),)


def write_tensors(source: ExportSource, folder: Path, others: dict[str, Value], images: str = "images_best") -> Path:
    """Write one .pt for each name, and return the path of the images."""
    for name, value in {images: nchw(source.images_in(source.torch_space)), **others}.items():
        write_whole(folder / f"{name}.pt", torch_bytes(value, name))
    return folder / f"{images}.pt"


def detects(path: Path, head: bytes) -> bool:
    """Return whether a file is a .pt, or a folder holds one of MTT's names."""
    return _images_in(path) is not None if path.is_dir() else head[:2] == b"PK" and is_torch(path)


def read(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Read a file of images and, beside it, that of the labels, such as images_best.pt and labels_best.pt.

    Args:
      path: of the images, or of a folder with both.
      layout: of the images; by default torch's, NCHW.

    Raises:
      UserError: one of them is missing, is no tensor, or holds more than data.
    """
    path = _images_in(path) or path
    images = read_torch(path)
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


def _images_in(folder: Path) -> Path | None:
    return next((folder / name for name in _IMAGES if (folder / name).is_file()), None)
