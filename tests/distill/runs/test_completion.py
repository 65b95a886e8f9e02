"""A stage is done while what it was made from and what it made are as they were; a finished run does nothing again."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.config.schema import CheckpointConfig, Config
from kerneldistill.runs import stages
from kerneldistill.runs.completion import Stage, Stages, stages_of
from kerneldistill.runs.directory import RunDir


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage with a text and a file as inputs, and a folder as output, done."""
    (tmp_path / "in").write_text("a")
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "file").write_text("b")
    stage = Stage("make", ("settings", tmp_path / "in"), (tmp_path / "out",))
    Stages(tmp_path / "stages.json").done(stage)
    return stage


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "in").write_text("c"),
        lambda folder: (folder / "in").unlink(),
        lambda folder: (folder / "out" / "deep" / "file").write_text("c"),
        lambda folder: (folder / "out" / "deep" / "more").touch(),
        lambda folder: shutil.rmtree(folder / "out"),
        lambda folder: (folder / "stages.json").write_text("{"),
        lambda folder: (folder / "stages.json").unlink(),
    ],
)
def test_any_change_undoes_a_stage(stage: Stage, tmp_path: Path, change: Callable[[Path], object]) -> None:
    known = Stages(tmp_path / "stages.json")
    assert known.is_done(stage)
    assert not known.is_done(stage._replace(name="other"))
    assert not known.is_done(stage._replace(inputs=("other settings", tmp_path / "in")))
    change(tmp_path)
    assert not known.is_done(stage)


def test_settings_that_change_no_number_undo_nothing(finished: RunDir, small: Config) -> None:
    known = Stages(finished.stages_file)
    free = replace(small, checkpoint=CheckpointConfig(keep=7), data=replace(small.data, dir="elsewhere"))
    assert all(map(known.is_done, stages_of(free, finished)))
    drawn = replace(small, evaluate=replace(small.evaluate, baseline_draws=7))
    assert [stage.name for stage in stages_of(drawn, finished) if not known.is_done(stage)] == ["evaluate", "export"]
    fixed = replace(small, krr=replace(small.krr, ridge=1e-3))
    assert not any(map(known.is_done, stages_of(fixed, finished)))


def test_a_finished_run_says_so_and_makes_again_only_what_is_lost(
    finished: RunDir,
    small: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = RunDir(Path(shutil.copytree(finished.path, tmp_path / "own")))
    made: list[str] = []
    for name in ("prepare", "distill", "evaluate"):
        monkeypatch.setattr(stages, name, lambda *_, name=name: made.append(name))
    stages.run(small, own)
    written = capsys.readouterr()
    assert "is done: nothing to do" in " ".join(written.err.split())
    assert "learned, step " in written.out
    assert made == []
    shard = next(own.prepared.rglob("*.array_record"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    stages.run(small, own)
    assert made == ["prepare"]
    shard.write_bytes(content)
    own.live_picture.unlink()
    stages.run(small, own)
    assert f"{own.live_picture} is missing" in caplog.text
    made.clear()
    whole = own.picture.read_bytes()
    own.picture.unlink()
    stages.run(small, own)
    assert made == ["prepare"]
    assert own.picture.read_bytes() == whole
