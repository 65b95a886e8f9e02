"""TensorBoard's view of the metrics, for those who have the extra `tensorboard`; `metrics.jsonl` is the record.

The events of a run are written anew from the record whenever it goes on: a step that was done twice, because a kill
took the first time, is there once.
"""

import shutil
import time
from pathlib import Path
from types import TracebackType

from kerneldistill.runs.training.metrics import MetricsLog, Record


class Events:
    """An event file of every number in the metrics, one event a record; nothing without tensorboardX.

    Args:
      folder: of the event file; replaced. None: write nothing.
      log: the record so far, truncated to where the run goes on.

    Example:
      with Events(rundir.events, log) as events:
          events.add({"step": 1, "loss": 0.25})
    """

    def __init__(self, folder: Path | None, log: MetricsLog) -> None:
        self._folder = folder
        self._log = log
        self._writer = None

    def __enter__(self) -> "Events":
        if self._folder is None:
            return self
        try:
            from tensorboardX import FileWriter
        except ImportError:
            return self
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._writer = FileWriter(str(self._folder))
        records = self._log.read()
        # As if the sessions before had followed each other without a pause.
        self._began = time.time() - (records[-1].get("elapsed", 0.0) if records else 0.0)
        for record in records:
            self.add(record)
        self._writer.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, record: Record) -> None:
        """Add every number of a record under its name."""
        if self._writer is None:
            return
        from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at run time

        values = [Summary.Value(tag=name, simple_value=value) for name, value in record.items() if name != "step"]
        when = self._began + record.get("elapsed", 0.0)
        self._writer.add_summary(Summary(value=values), record["step"], walltime=when)
