"""`Source`: where the examples come from."""

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.record import BadRecord, Record
from kerneldistill.pipeline.titles import titled

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
            name = titled(self.name, self.version)
            raise DataError(f"{name} has no split {split!r}; it has: {', '.join(self.splits)}")
        return self.splits[split]

    @abc.abstractmethod
    def read(self, split: str, start: int, stop: int) -> Iterator[Record | BadRecord]:
        """Yield the examples start..stop-1 of `split` in their stored order, one item for each.

        Raises:
          DataError: the file itself cannot be read; one unreadable example is a `BadRecord`.
          OSError: storage or network failed, and may answer a moment later.
        """

    def labels(self, split: str) -> np.ndarray:
        """Return the class index of each example of `split`, int [n], below 0 where it cannot be used."""
        records = self.read(split, 0, self.num_examples(split))
        return np.array([record.label if isinstance(record, Record) else -1 for record in records], np.int64)

    @abc.abstractmethod
    def fingerprint(self, splits: Sequence[str]) -> str:
        """Return a hex digest that changes whenever the content of `splits` does, and not with its location."""
