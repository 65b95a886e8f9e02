"""TensorBoard's view of the metrics, for those who have the extra `tensorboard`; `metrics.jsonl` is the record.

The events of a run are written anew from the record whenever it goes on: a step that was done twice, because a kill
took the first time, is there once.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tensorboardX import FileWriter
from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at run time

from kerneldistill.runs.training.metrics import Record


class TensorBoard:
    """An event file of every number in the metrics, one event a record: a `Follower`.

    Args:
      folder: of the event file; replaced.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, records: Sequence[Record]) -> None:
        """Write the records so far anew."""
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._writer = FileWriter(str(self._folder))
        # As if the sessions before had followed each other without a pause.
        self._began = time.time() - (records[-1].get("elapsed", 0.0) if records else 0.0)
        for record in records:
            self.add(record)
        self._writer.flush()

    def add(self, record: Record) -> None:
        """Add every number of a record under its name."""
        values = [Summary.Value(tag=name, simple_value=value) for name, value in record.items() if name != "step"]
        when = self._began + record.get("elapsed", 0.0)
        self._writer.add_summary(Summary(value=values), record["step"], walltime=when)

    def end(self, failed: bool) -> None:
        """Close the file."""
        self._writer.close()
