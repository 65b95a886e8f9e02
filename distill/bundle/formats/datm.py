"""The files of DATM: those of MTT with soft labels, and the learning rate in lr_best.pt."""

from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats import mtt
from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the three files."""
    source = source.class_major
    rate = np.array(mtt.LEARNING_RATE, np.float32)
    images = mtt.write_tensors(source, folder, {"labels_best": source.soft_labels, "lr_best": rate})
    lost = source.lost_space(source.torch_space)
    return (ReadBack("images_best.pt, labels_best.pt", mtt.read(images), source.torch_space, lost),)
