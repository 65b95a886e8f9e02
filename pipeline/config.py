"""`DataConfig`: everything that decides what a prepared data set holds, with the bounds of each value."""

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from kerneldistill.pipeline.bounds import find_violations
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.registry import AUTO, BUILT_IN, SourceKind
from kerneldistill.pipeline.untrusted.limits import MAX_PREPARED_SIDE
from kerneldistill.pipeline.untrusted.names import is_name, is_path
from kerneldistill.pipeline.whitening.registry import WhiteningKind

_TEXTS = ("name", "dir", "version", "train_split", "test_split", "image_key", "label_key")
Resize = Literal["refuse", "nearest", "box", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class DataConfig:
    """What to read, how to split it, how to whiten it.

    Attributes:
        name: TFDS data set name (`mnist`, `name/config`); any name for your own data; `digits`, which needs no file; or
            `auto`, the name of the folder or file
        dir: folder of TFDS data sets (TFDS's `data_dir`), folder of images, or .npz file; a path or a gs:// URL
        version: version of a TFDS data set, for example `3.0.1`; None takes the newest in `dir`
        source: what `dir` is: `tfds`, `folder` (one folder per class, perhaps within one per split), `npz` (also .npy
            files), `csv` (paths and labels), `hf` (Hugging Face datasets), or `auto`, what it looks like
        train_split: source split that train and validation are taken from: `train`, `train[:80%]`, `train+extra`
        test_split: source split that test is taken from; it may not overlap train_split
        image_key: name of the image feature or array; in one .npz of all splits for example `x_{split}`
        label_key: name of the label feature or array, whole numbers or texts; for example `y_{split}`
        height: of every image, in pixels; None takes what the data set says, or most of its first images are
        width: of every image, in pixels; None as for height
        channels: 1 (grey), 3 (RGB) or 4 (RGBA), converting where that is exact, or from RGB to grey; None as for height
        resize: what to do with images of another size: `refuse` (count them as bad), or resize them to height and width
            by a method: `nearest`, `box`, `bilinear`, `bicubic`, `lanczos`
        validation_fraction: part of the training images held out, the same number from each class; 0 to 0.5
        seed: draws the validation images
        whiten: `standard` (channels to mean 0, deviation 1), `kip_zca` (KIP's regularised ZCA), `kornia_zca` (kornia's
            ZCA of pixels / 255, as in MTT and DD-Ranking) or `none` (pixels / 255)
        zca_reg: ridge of the ZCA; in `kip_zca` relative: times trace(covariance) / features; in `kornia_zca` absolute
        zca_block: side in pixels of the blocks that a ZCA whitens apart, for images of 64 and more; 0: no blocks
        max_bad_fraction: part of all records that may be unusable before the job stops; 0 to 1
        batch_size: images per Beam element, and so per shard
        download: let TFDS fetch a data set that is not in `dir`
    """

    name: str = "digits"
    dir: str | None = None
    version: str | None = None
    source: SourceKind = "tfds"
    train_split: str = "train"
    test_split: str = "test"
    image_key: str = "image"
    label_key: str = "label"
    height: Annotated[int, Ge(1), Le(MAX_PREPARED_SIDE)] | None = None
    width: Annotated[int, Ge(1), Le(MAX_PREPARED_SIDE)] | None = None
    channels: Literal[1, 3, 4] | None = None
    resize: Resize = "refuse"
    validation_fraction: Annotated[float, Ge(0), Le(0.5)] = 0.1
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    whiten: WhiteningKind = "standard"
    zca_reg: Annotated[float, Gt(0), Le(1e9)] = 0.1
    zca_block: Annotated[int, Ge(0), Le(MAX_PREPARED_SIDE)] = 0
    max_bad_fraction: Annotated[float, Ge(0), Le(1)] = 0.001
    batch_size: Annotated[int, Ge(1), Le(1_000_000)] = 1000
    download: bool = False

    def __post_init__(self) -> None:
        """Raise DataError for a value out of its bounds; `prepare` checks whether files exist."""
        if self.dir is not None:
            object.__setattr__(self, "dir", os.fspath(self.dir))  # a Path, which JSON does not know
        for field, value, allowed in find_violations(self):
            raise DataError(f"data.{field} is {value!r}; allowed: {allowed}")
        for field in _TEXTS:
            text = getattr(self, field)
            if text is not None and not (is_path(text) if field == "dir" else is_name(text)):
                raise DataError(
                    f"data.{field} is {text!r:.80}; allowed: a text on one line, without control characters"
                )
        if self.name in BUILT_IN and self.source not in ("tfds", AUTO):
            object.__setattr__(self, "name", AUTO)  # a preset's name, over which another source was laid
        if self.resize != "refuse" and (self.height is None or self.width is None):
            raise DataError(
                f"data.resize is {self.resize!r}; allowed: refuse, unless data.height and data.width say to what"
            )
        if self.train_split == self.test_split:
            raise DataError(
                f"data.test_split is {self.test_split!r}; allowed: another split than data.train_split, or the test "
                "images would be trained on"
            )

    @property
    def is_built_in(self) -> bool:
        """Whether the data set comes with a library, so that `dir` is not needed."""
        return self.source == "tfds" and self.name in BUILT_IN
