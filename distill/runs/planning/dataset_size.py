"""The sizes of a data set, read without reading its images."""

from dataclasses import dataclass, replace
from pathlib import Path

from etils import epath

from kerneldistill.config.data_limits import check_image, check_support
from kerneldistill.config.schema import Config
from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.ranges import Range, parse
from kerneldistill.pipeline.storage.manifest import MANIFEST, Manifest
from kerneldistill.pipeline.titles import titled


@dataclass(frozen=True)
class DataSize:
    """The sizes of a data set.

    name: of the data set
    image_shape: (h, w, c) in pixels
    num_classes: k
    train, validation, test: number of images; counts bad ones too until the data are prepared
    prepared: whether the data are prepared; if not, the run's process prepares them
    """

    name: str
    image_shape: tuple[int, int, int]
    num_classes: int
    train: int
    validation: int
    test: int
    prepared: bool = True


def size_of(config: Config, prepared: Path) -> DataSize:
    """Return the sizes of the data set of `config`: from `prepared` if that is it, else from its source.

    Raises:
      UserError: the images or classes do not suit the configuration.
      DataError: the source cannot be found.
    """
    size = _prepared(config.data, prepared) or _source(config.data)
    check_image(config.kernel, size.image_shape)
    check_support(config.support, [size.train // size.num_classes + 1] * size.num_classes)
    return size


def _prepared(config: DataConfig, folder: Path) -> DataSize | None:
    if not (folder / MANIFEST).exists():
        return None
    manifest = Manifest.load(epath.Path(folder))
    there = manifest.config
    if replace(config, version=there.version, dir=there.dir, download=there.download) != there:
        return None
    train, validation, test = (manifest.count(split) for split in ("train", "validation", "test"))
    return DataSize(manifest.name, manifest.image_shape, len(manifest.class_names), train, validation, test)


def _source(config: DataConfig) -> DataSize:
    source = open_source(config)
    name = titled(source.name, source.version)
    train, test = (_count(parse(part, source.splits, name)) for part in (config.train_split, config.test_split))
    validation = round(config.validation_fraction * train)
    shape, classes = source.image_shape, len(source.class_names)
    return DataSize(source.name, shape, classes, train - validation, validation, test, prepared=False)


def _count(ranges: tuple[Range, ...]) -> int:
    return sum(part.stop - part.start for part in ranges)
