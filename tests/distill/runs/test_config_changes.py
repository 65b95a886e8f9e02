"""What may change while a run goes on, and that it is written down; what may not is refused with the ways out."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import CheckpointConfig, Config, GrowthConfig, ScheduleConfig
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir

DIGITS = PRESETS["digits"]


def _begin(rundir: RunDir) -> None:
    """Leave what a first step leaves: before it, a directory takes any configuration."""
    rundir.metrics_file.write_text("a record\n")


def test_what_changes_no_step_is_taken_over_and_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunDir(tmp_path).open(DIGITS) as rundir:
        assert not rundir.changes_file.exists()
        _begin(rundir)
    longer = replace(
        DIGITS,
        data=replace(DIGITS.data, dir="elsewhere"),
        optim=replace(DIGITS.optim, steps=DIGITS.optim.steps + 20),
        evaluate=replace(DIGITS.evaluate, baseline_draws=1),
        checkpoint=CheckpointConfig(geometric=False, every=3, minutes=1.0, keep=9),
    )
    with rundir.open(longer):
        assert rundir.config() == longer
    assert f"{tmp_path} goes on with changes: " in capsys.readouterr().err.replace("\n", " ")
    (line,) = rundir.changes_file.read_text().splitlines()
    changes = json.loads(line)["changes"]
    assert changes["optim.steps"] == [80, 100]
    assert changes["data.dir"] == [None, "elsewhere"]
    assert {name.split(".")[0] for name in changes} == {"data", "optim", "evaluate", "checkpoint"}
    with rundir.open(longer):
        assert len(rundir.changes_file.read_text().splitlines()) == 1


def test_all_else_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with RunDir(tmp_path).open(DIGITS) as rundir:
        _begin(rundir)
    shorter = replace(DIGITS, optim=replace(DIGITS.optim, steps=79), evaluate=replace(DIGITS.evaluate, every=5))
    mixed = replace(shorter, checkpoint=CheckpointConfig(keep=9))
    for config in (shorter, mixed):
        with pytest.raises(UserError) as caught, rundir.open(config):
            pass
        message = str(caught.value)
        assert "optim.steps is 80 there and 79 here, evaluate.every is 10 there and 5 here" in message
        assert f"Change that back, or give another --dir (--fork {tmp_path} begins" in message
        assert "checkpoint" not in message
    assert rundir.config() == DIGITS
    assert not rundir.changes_file.exists()


@pytest.mark.parametrize(
    "stretched",
    [
        replace(DIGITS, optim=replace(DIGITS.optim, schedule=ScheduleConfig(name="cosine"))),
        replace(DIGITS, optim=replace(DIGITS.optim, growth=GrowthConfig(name="geometric"))),
        replace(DIGITS, krr=replace(DIGITS.krr, first_ridge=1e-2)),
    ],
    ids=["cosine", "growth", "ridge"],
)
def test_a_run_whose_steps_depend_on_their_number_is_not_made_longer(tmp_path: Path, stretched: Config) -> None:
    with RunDir(tmp_path).open(stretched) as rundir:
        _begin(rundir)
    longer = replace(stretched, optim=replace(stretched.optim, steps=100))
    with pytest.raises(UserError, match=r"optim\.steps is 80 there and 100 here"), rundir.open(longer):
        pass
