"""The kinds of input `prepare` can read; `open_source` picks one from the configuration."""

from pipeline.config import DataConfig
from pipeline.source import Source


def open_source(config: DataConfig) -> Source:
    """The source that `config` names, checked as far as possible without reading examples.

    Raises:
      DataError: the folder, data set, version, split or feature does not exist, or its format cannot be read.
    """
    if config.name == "digits":
        from pipeline.sources.digits import Digits

        source: Source = Digits.open(config.version)
    else:
        from pipeline.sources.tfds_files import open_tfds

        source = open_tfds(config)
    for split in (config.train_split, config.test_split):
        source.num_examples(split)
    return source
