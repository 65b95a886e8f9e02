"""Test the swap of the old output and the new, and the lock."""

import os
import subprocess
import sys
import time

import pytest
from etils import epath

from kerneldistill.pipeline import DataError
from kerneldistill.pipeline.storage import publish


def _folder(path: epath.Path, content: str) -> epath.Path:
    path.mkdir()
    (path / "manifest.json").write_text(content)
    return path


@pytest.fixture
def folders(tmp_path) -> tuple[epath.Path, epath.Path]:
    tmp_path = epath.Path(tmp_path)
    return _folder(tmp_path / "new", "new"), _folder(tmp_path / "out", "old")


@pytest.mark.parametrize("swap", [publish.publish, publish._exchange_by_renames])
def test_new_and_old_change_places(folders, swap):
    new, out = folders
    swap(new, out)
    assert (out / "manifest.json").read_text() == "new"
    assert (new / "manifest.json").read_text() == "old"
    assert len(list(out.parent.iterdir())) == 2


def test_an_empty_folder_is_taken(tmp_path):
    new, out = _folder(epath.Path(tmp_path / "new"), "new"), epath.Path(tmp_path / "out")
    out.mkdir()
    publish.publish(new, out)
    assert (out / "manifest.json").read_text() == "new"


@pytest.mark.parametrize(("renames", "left"), [(0, "old"), (1, "old"), (2, "new")])
def test_a_kill_between_the_renames_is_undone(folders, monkeypatch, renames, left):
    new, out = folders
    done = []

    def rename(source, target, rename=os.rename):
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(target)
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        publish._exchange_by_renames(new, out)
    monkeypatch.undo()
    with publish.sole_writer(out):
        pass
    assert (out / "manifest.json").read_text() == left
    assert {path.name for path in out.parent.iterdir()} <= {"new", "out"}


def test_leftovers_go_and_neighbours_stay(tmp_path):
    out = epath.Path(tmp_path / "out")
    for name in ("out.staging-1111", "out2.staging-1111", "other"):
        (tmp_path / name).mkdir()
    with publish.sole_writer(out), publish.staging_folder(out, "2" * 64) as staging:
        there = {path.name for path in tmp_path.iterdir()}
        assert there == {"out2.staging-1111", "other", ".out.lock", staging.name}
    assert {path.name for path in tmp_path.iterdir()} == {"out2.staging-1111", "other"}


def test_two_processes_cannot_write_the_same_output(tmp_path):
    out = epath.Path(tmp_path / "out")
    with publish.sole_writer(out), publish.staging_folder(out, "1" * 64) as staging:
        with pytest.raises(DataError, match=f"is being written by process {os.getpid()} on"), publish.sole_writer(out):
            pass
        assert staging.exists()


RACE = """
import sys, time
from etils import epath
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.storage import publish
out, until = epath.Path(sys.argv[1]), float(sys.argv[2])
time.sleep(max(0, until - time.time()))
won = 0
for _ in range(100):
    try:
        with publish.sole_writer(out), publish.staging_folder(out, "1" * 64) as staging:
            (staging / "file").write_text("x")
            won += 1
    except DataError as error:
        assert "is being written by process" in str(error), error
print(won)
"""


def test_of_many_that_begin_at_once_each_is_the_only_one_or_told_who_is(tmp_path):
    words = [sys.executable, "-c", RACE, str(tmp_path / "out"), str(time.time() + 3)]
    racers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    won = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    assert sum(won) > 0
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gs://bucket/out", "is a URL"),
        ("{tmp}/file", "is a file"),
        ("{tmp}/full", "it is not ours to replace"),
        ("{tmp}/site", "it is not ours to replace"),
        ("{tmp}/bundle", "it is not ours to replace"),
        ("{tmp}/\udcff/out", "is not UTF-8, as the names of shards must be: give another folder"),
    ],
)
def test_outputs_that_are_refused(tmp_path, path, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    for folder, names in {"site": ["index.html"], "bundle": ["support.npz", "transform.npz"]}.items():
        (tmp_path / folder).mkdir()
        for name in ("manifest.json", *names):
            (tmp_path / folder / name).write_text("{}")
    with pytest.raises(DataError, match=message):
        publish.check_output(path.format(tmp=tmp_path))
