"""A folder of PNG pictures, one folder a class: {class:05d}/class{class:05d}_id{i:05d}.png.

Read by torchvision's ImageFolder, DD-Ranking (image_path) and RDED (LINs-lab/RDED synthesize/main.py names them so).
Eight bits a channel: what a learned image has outside 0..255 is cut off. PNG carries a CRC of its content.
"""

import re
from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.png import pixels, png
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.limits import MAX_BYTES, MAX_IMAGES, MAX_PICKLE_BYTES

_NAME = re.compile(r"(\d{5})/class(\d{5})_id(\d{5})\.png")

# A megapixel of noise in RGBA.
_MAX_PNG = 2 * MAX_PICKLE_BYTES


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write a PNG for each image, by the class of its largest label."""
    source.check_channels("imagefolder")
    for label in np.unique(source.hard_labels):
        place = folder / f"{label:05d}"
        place.mkdir(exist_ok=True)
        for index, image in enumerate(source.bytes[source.hard_labels == label]):
            write_whole(place / f"class{label:05d}_id{index:05d}.png", png(image))
    return (ReadBack("PNG", read(folder), source.normalised, source.lost_bits()),)


def detects(path: Path, head: bytes) -> bool:
    """Return whether there is a folder: `read` says what is no picture in it."""
    return path.is_dir()


def read(folder: Path, layout: Layout | None = None) -> ForeignSet:
    """Read the pictures, uint8.

    Raises:
      UserError: a file is no such PNG, or the pictures are not of one shape.
    """
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    if not found or len(found) > MAX_IMAGES:
        raise UserError(f"{folder} has {len(found):,} files, allowed are 1 to {MAX_IMAGES:,} pictures")
    labels, images, held = [], [], 0
    for path in found:
        named = _NAME.fullmatch(path.relative_to(folder).as_posix())
        if not named or named[1] != named[2]:
            raise UserError(f"{path} is not named NNNNN/classNNNNN_idNNNNN.png, so the folder is no distilled set")
        labels.append(int(named[1]))
        images.append(pixels(read_bounded(path, _MAX_PNG), str(path)))
        if (held := held + images[-1].size) > MAX_BYTES:
            raise UserError(f"{folder} holds more than {MAX_BYTES:,} bytes of pixels: a distilled set is smaller")
    if len({image.shape for image in images}) > 1:
        raise UserError(f"{folder} holds pictures of several shapes, so it is no distilled set")
    return foreign_set("image folder", np.stack(images), np.array(labels), "NHWC")
