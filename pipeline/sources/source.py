"""`Source`: where the examples come from; `open_source` opens the one that a configuration names."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.ranges import check_disjoint, parse
from kerneldistill.pipeline.sources.record import BadRecord, Record
from kerneldistill.pipeline.sources.registry import BUILT_IN, SOURCES
from kerneldistill.pipeline.untrusted.names import MAX_NAME, are_names, is_name, printable

# The one split of a source that has none.
WHOLE = "all"


@dataclass(frozen=True)
class Source(abc.ABC):
    """A labelled image data set with random access by index.

    To add a kind, subclass it in a module with an `open_source(config)` and list that in `registry`. Keep it small and
    picklable: Beam workers get a copy and open the files themselves.

    name: of the data set
    version: of the data set
    file_format: `array_record`, `tfrecord`, `folder`, `npz`, `embedded`
    class_names: [k] names in label order
    image_shape: (h, w, c) that every image must have, or is brought to
    splits: number of examples by split name
    """

    name: str
    version: str
    file_format: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    splits: Mapping[str, int]

    def num_examples(self, split: str) -> int:
        """Count the examples in `split`. Raises DataError, naming the splits there are, if it does not exist."""
        if split not in self.splits:
            raise DataError(f"{self.name} {self.version} has no split {split!r}; it has: {', '.join(self.splits)}")
        return self.splits[split]

    @abc.abstractmethod
    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        """Yield the examples start..stop-1 of `split` in their stored order, one item for each.

        Raises:
          DataError: the file itself cannot be read; one unreadable example is a `BadRecord`.
          OSError: storage or network failed, and may answer a moment later.
        """

    @abc.abstractmethod
    def fingerprint(self, splits: Sequence[str]) -> str:
        """Return a hex digest that changes whenever the content of `splits` does, and not with its location."""


def open_source(config: DataConfig) -> Source:
    """Open the source that `config` names and check it as far as possible without reading examples.

    Raises:
      DataError: the folder, data set, version, split or feature does not exist, or its format cannot be read.
    """
    module = BUILT_IN[config.name] if config.is_built_in else SOURCES[config.source]
    source: Source = import_module(f"kerneldistill.pipeline.sources.{module}").open_source(config)
    name = f"{source.name} {source.version}"
    if not are_names(source.class_names):
        wrong = next((text for text in source.class_names if not is_name(text)), "two of one name")
        raise DataError(
            f"{name} has the class names {printable(wrong)[:80]!r}; allowed: different names of up to {MAX_NAME} "
            "letters on one line, without control characters"
        )
    train = parse(config.train_split, source.splits, name)
    check_disjoint(train, parse(config.test_split, source.splits, name), name)
    return source
