"""`DataConfig`: everything that decides what a prepared data set holds."""

from dataclasses import dataclass
from typing import Literal, get_args

from kerneldistill.pipeline.errors import DataError

SourceKind = Literal["tfds", "folder", "npz"]
Whitening = Literal["kip_zca", "kornia_zca", "standard", "none"]
Resize = Literal["refuse", "nearest", "box", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class DataConfig:
    """What to read, how to split it, how to whiten it.

    Attributes:
        name: TFDS data set name (`mnist`, `name/config`); any name for your own data; or `digits`, which needs no file
        dir: folder of TFDS data sets (TFDS's `data_dir`), folder of images, or .npz file; a path or a gs:// URL
        version: version of a TFDS data set, for example `3.0.1`; None takes the newest in `dir`
        source: what `dir` is: `tfds`, `folder` (one folder per class, perhaps within one per split) or `npz`
        train_split: source split that train and validation are taken from: `train`, `train[:80%]`, `train+extra`
        test_split: source split that test is taken from; it may not overlap train_split
        image_key: name of the image feature or array; in one .npz of all splits for example `x_{split}`
        label_key: name of the label feature or array, whole numbers or texts; for example `y_{split}`
        height: of every image, in pixels; None takes what the data set says, or its first image is
        width: of every image, in pixels; None as for height
        channels: 1 (grey), 3 (RGB) or 4 (RGBA), converting where that is exact, or from RGB to grey; None as for height
        resize: what becomes of images of another size: `refuse` (they count as bad), or a method of resizing to height
            and width: `nearest`, `box`, `bilinear`, `bicubic`, `lanczos`
        validation_fraction: part of the training images held out, the same number from each class; 0 to 0.5
        seed: of the draw of the validation images
        whiten: `standard` (channels to mean 0, deviation 1), `kip_zca` (KIP's regularised ZCA), `kornia_zca` (kornia's
            ZCA of pixels / 255, as in MTT and DD-Ranking) or `none` (pixels / 255)
        zca_reg: ridge of the ZCA; in `kip_zca` relative: times trace(covariance) / features; in `kornia_zca` absolute
        zca_block: side of the square blocks that are whitened apart, in pixels, for images of 64 and more; 0: no blocks
        max_bad_fraction: part of all records that may be undecodable before the job stops; 0 to 1
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
    height: int | None = None
    width: int | None = None
    channels: Literal[1, 3, 4] | None = None
    resize: Resize = "refuse"
    validation_fraction: float = 0.1
    seed: int = 0
    whiten: Whitening = "standard"
    zca_reg: float = 0.1
    zca_block: int = 0
    max_bad_fraction: float = 0.001
    batch_size: int = 1000
    download: bool = False

    def __post_init__(self) -> None:
        """Raises DataError for a value out of range; whether files exist is checked by `prepare`."""
        _require(0 <= self.validation_fraction <= 0.5, "validation_fraction", self.validation_fraction, "0 to 0.5")
        _require(0 <= self.max_bad_fraction <= 1, "max_bad_fraction", self.max_bad_fraction, "0 to 1")
        _require(self.zca_reg > 0, "zca_reg", self.zca_reg, "a number above 0 (the papers use 0.1)")
        _require(self.zca_block >= 0, "zca_block", self.zca_block, "0 (no blocks) or the side of a block in pixels")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")
        _require(0 <= self.seed < 2**63, "seed", self.seed, "0 to 2**63 - 1")
        for field, kind in (("whiten", Whitening), ("resize", Resize), ("source", SourceKind)):
            _require(getattr(self, field) in get_args(kind), field, getattr(self, field), ", ".join(get_args(kind)))
        for field in ("height", "width"):
            value = getattr(self, field)
            _require(value is None or value >= 1, field, value, "1 or more")
        _require(self.channels in (None, 1, 3, 4), "channels", self.channels, "1 (grey), 3 (RGB), 4 (RGBA)")
        sized = self.height is not None and self.width is not None
        _require(
            sized or self.resize == "refuse",
            "resize",
            self.resize,
            "refuse, unless data.height and data.width say to what",
        )
        _require(
            self.train_split != self.test_split,
            "test_split",
            self.test_split,
            "another split than train_split, or the test images would be trained on",
        )


def _require(ok: bool, field: str, value: object, allowed: str) -> None:
    if not ok:
        raise DataError(f"data.{field} is {value!r}; allowed: {allowed}")
