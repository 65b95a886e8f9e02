"""Open the source that a configuration names."""

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.dealing import dealt
from kerneldistill.pipeline.sources.detection import detected, module_of
from kerneldistill.pipeline.sources.notes import note
from kerneldistill.pipeline.sources.ranges import check_disjoint, parse
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.titles import titled
from kerneldistill.pipeline.untrusted.names import MAX_NAME, are_names, is_name, printable


def open_source(config: DataConfig) -> Source:
    """Open the source that `config` names and check it as far as possible without reading examples.

    Of one that has a single split, where the splits `train` and `test` are wanted, a fifth of each class is for test.

    Raises:
      DataError: the folder, data set, version, split or feature does not exist, or its format cannot be read.
    """
    config = detected(config)
    source: Source = module_of(config.name if config.is_built_in else config.source).open_source(config)
    name = titled(source.name, source.version)
    if not are_names(source.class_names):
        wrong = next((text for text in source.class_names if not is_name(text)), "two of one name")
        raise DataError(
            f"{name} has the class names {printable(wrong)[:80]!r}; allowed: different names of up to {MAX_NAME} "
            "letters on one line, without control characters"
        )
    if len(source.splits) == 1 and (config.train_split, config.test_split) == ("train", "test"):
        source = dealt(source, config.seed)
        note(f"{source.name} has one split: a fifth of each class is for test, drawn by data.seed")
    train = parse(config.train_split, source.splits, name)
    check_disjoint(train, parse(config.test_split, source.splits, name), name)
    return source
