"""A folder of PNG pictures, one folder a class: {class:05d}/class{class:05d}_id{i:05d}.png.

Read by torchvision's ImageFolder, DD-Ranking (image_path) and RDED (LINs-lab/RDED synthesize/main.py names them so).
Eight bits a channel: what a learned image has outside 0..255 is cut off. PNG carries a CRC of its content.
"""

import re
from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.export_source import Copy, Exported, folder_of, together
from kerneldistill.bundle.formats.foreign_set import CHANNELS, ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.png import pixels, png
from kerneldistill.bundle.untrusted.limits import MAX_IMAGES, read_limited
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole

_NAME = re.compile(r"(\d{5})/class(\d{5})_id(\d{5})\.png")


def write(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes a PNG for each image. The classes are those of the largest labels."""
    check_channels(exported, "imagefolder")
    for label in np.unique(exported.hard_labels):
        place = folder_of(folder / f"{label:05d}")
        for index, image in enumerate(exported.bytes[exported.hard_labels == label]):
            write_whole(place / f"class{label:05d}_id{index:05d}.png", png(image))
    return (Copy("PNG", read(folder), exported.normalised, lost_bits(exported)),)


def read(folder: Path, layout: Layout | None = None) -> ForeignSet:
    """Reads such a folder; the pixels are those of the files, uint8.

    Raises:
      UserError: a file is no such PNG, or the pictures are not of one shape.
    """
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    if not found or len(found) > MAX_IMAGES:
        raise UserError(f"{folder} has {len(found):,} files, allowed are 1 to {MAX_IMAGES:,} pictures")
    labels, images = [], []
    for path in found:
        named = _NAME.fullmatch(path.relative_to(folder).as_posix())
        if not named or named[1] != named[2]:
            raise UserError(f"{path} is not named NNNNN/classNNNNN_idNNNNN.png, so the folder is no distilled set")
        labels.append(int(named[1]))
        images.append(pixels(read_limited(path), str(path)))
    if len({image.shape for image in images}) > 1:
        raise UserError(f"{folder} holds pictures of several shapes, so it is no distilled set")
    return foreign_set("image folder", np.stack(images), np.array(labels), "NHWC")


def check_channels(exported: Exported, needed_by: str) -> None:
    """Raises UserError if the images are no pictures of 1, 3 or 4 channels."""
    if (channels := exported.bundle.whitener.image_shape[2]) not in CHANNELS:
        raise UserError(f"{needed_by} writes PNG, which has 1, 3 or 4 channels, not {channels}: leave this format out")


def lost_bits(exported: Exported) -> str:
    """What eight bits and whole-number labels lose, in words."""
    outside = float(np.mean((exported.pixels < -0.5) | (exported.pixels > 255.5)))
    bits = f"8 bits a channel, {100 * outside:.1f} % of the pixels clipped"
    return together(bits, exported.lost_space(exported.normalised), exported.lost_labels())
