"""`DataConfig`: everything that decides what a prepared data set holds."""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import DataError

Whitening = Literal["kip_zca", "standard", "none"]


@dataclass(frozen=True)
class DataConfig:
    """What to read, how to split it, how to whiten it.

    Attributes:
        name: TFDS data set name (`mnist`, `name/config`), or `digits`, which needs no file and no network
        dir: folder of TFDS data sets (TFDS's `data_dir`); needed for everything but `digits`
        version: version of the data set, for example `3.0.1`; None takes the newest in `dir`
        train_split: source split that train and validation are taken from
        test_split: source split that test is taken from
        image_key: name of the image feature
        label_key: name of the label feature
        validation_fraction: part of the training images held out, the same number from each class; 0 to 0.5
        seed: of the draw of the validation images
        whiten: `standard` (channels to mean 0, deviation 1), `kip_zca` (KIP's regularised ZCA) or `none` (pixels / 255)
        zca_reg: ridge of `kip_zca`, relative: times trace(covariance) / features
        max_bad_fraction: part of all records that may be undecodable before the job stops; 0 to 1
        batch_size: images per Beam element, and so per shard
        download: let TFDS fetch a data set that is not in `dir`
    """

    name: str = "digits"
    dir: str | None = None
    version: str | None = None
    train_split: str = "train"
    test_split: str = "test"
    image_key: str = "image"
    label_key: str = "label"
    validation_fraction: float = 0.1
    seed: int = 0
    whiten: Whitening = "standard"
    zca_reg: float = 0.1
    max_bad_fraction: float = 0.001
    batch_size: int = 1000
    download: bool = False

    def __post_init__(self) -> None:
        """Raises DataError for a value out of range; whether files exist is checked by `prepare`."""
        _require(0 <= self.validation_fraction <= 0.5, "validation_fraction", self.validation_fraction, "0 to 0.5")
        _require(0 <= self.max_bad_fraction <= 1, "max_bad_fraction", self.max_bad_fraction, "0 to 1")
        _require(self.zca_reg > 0, "zca_reg", self.zca_reg, "a number above 0 (the papers use 0.1)")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")
        _require(0 <= self.seed < 2**63, "seed", self.seed, "0 to 2**63 - 1")
        _require(self.whiten in get_args(Whitening), "whiten", self.whiten, ", ".join(get_args(Whitening)))
        _require(
            self.train_split != self.test_split,
            "test_split",
            self.test_split,
            "another split than train_split, or the test images would be trained on",
        )


def _require(ok: bool, field: str, value: object, allowed: str) -> None:
    if not ok:
        raise DataError(f"data.{field} is {value!r}; allowed: {allowed}")
