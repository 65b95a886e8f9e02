"""`TfrecordFiles`: a TFDS data set in TFDS's default format, which only TensorFlow reads. The extra `[tf]`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.sources.tfds_files import TfdsFiles, tfds_builder


@dataclass(frozen=True)
class TfrecordFiles(TfdsFiles):
    """A TFDS data set in tfrecord files. They are sequential: reading a batch skips what lies before it."""

    def _raw(self, split: str, start: int, stop: int) -> Iterator[bytes]:
        import tensorflow as tf

        for part in tfds_builder(self.folder).info.splits[f"{split}[{start}:{stop}]"].file_instructions:
            dataset = tf.data.TFRecordDataset(part.filename).skip(part.skip)
            try:
                yield from cast("Iterator[bytes]", dataset.take(part.take).as_numpy_iterator())
            except tf.errors.OpError as error:
                raise DataError(f"{part.filename} is damaged ({first_line(error)}): restore the file") from error
