"""TensorBoard's view: every step once, however often it was done."""

from pathlib import Path

import pytest

from kerneldistill.runs.training.followers import Followers
from kerneldistill.runs.training.metrics import MetricsLog

pytest.importorskip("tensorboardX")
from kerneldistill.runs.training.tensorboard import TensorBoard


def read(folder: Path) -> list[tuple[int, str, float]]:
    """Every number in the event files of a folder: step, name, value; records as tensorboardX frames them."""
    from tensorboardX.event_file_writer import EventsWriter  # noqa: F401  # what wrote them
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(folder.iterdir()):
        content, start = file.read_bytes(), 0
        while start < len(content):
            size = int.from_bytes(content[start : start + 8], "little")
            event = Event.FromString(content[start + 12 : start + 12 + size])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            start += 16 + size
    return found


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for steps in (range(3), range(2, 5)):  # killed after step 2, goes on from step 1
        log.truncate_after(steps[0] - 1)
        with Followers([TensorBoard(tmp_path / "events")], log) as events:
            for step in steps:
                record = {"step": step, "loss": 0.5**step, "elapsed": 2.0 * step}
                log.append(record)
                events.add(record)
    found = read(tmp_path / "events")
    assert [(step, value) for step, name, value in found if name == "loss"] == [(n, 0.5**n) for n in range(5)]
    assert {name for _, name, _ in found} == {"loss", "elapsed"}
    assert len(list((tmp_path / "events").iterdir())) == 1
