"""The kinds of input `prepare` can read; `open_source` picks one from the configuration."""

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.sources.ranges import check_disjoint, parse
from kerneldistill.pipeline.sources.source import Source


def open_source(config: DataConfig) -> Source:
    """The source that `config` names, checked as far as possible without reading examples.

    Raises:
      DataError: the folder, data set, version, split or feature does not exist, or its format cannot be read.
    """
    source = _open(config)
    name = f"{source.name} {source.version}"
    train = parse(config.train_split, source.splits, name)
    check_disjoint(train, parse(config.test_split, source.splits, name), name)
    return source


def _open(config: DataConfig) -> Source:
    match config.source, config.name:
        case "folder", _:
            from kerneldistill.pipeline.sources.folder import open_folder

            return open_folder(config)
        case "npz", _:
            from kerneldistill.pipeline.sources.npz import open_npz

            return open_npz(config)
        case "tfds", "digits":
            from kerneldistill.pipeline.sources.digits import open_digits

            return open_digits(config)
    from kerneldistill.pipeline.sources.tfds_files import open_tfds

    return open_tfds(config)
