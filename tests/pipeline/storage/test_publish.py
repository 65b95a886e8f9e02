"""Test the swap of the old output and the new, and the lock."""

import fcntl
import os

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
    publish.clean_up(out)
    assert (out / "manifest.json").read_text() == left
    assert {path.name for path in out.parent.iterdir()} <= {"new", "out"}


def test_leftovers_go_and_neighbours_stay(tmp_path):
    out = epath.Path(tmp_path / "out")
    for name in ("out.staging-1111", "out2.staging-1111", "other"):
        (tmp_path / name).mkdir()
    publish.clean_up(out)
    with publish.staging_folder(out, "2" * 64) as staging:
        assert {path.name for path in tmp_path.iterdir()} == {"out2.staging-1111", "other", staging.name}
    assert {path.name for path in tmp_path.iterdir()} == {"out2.staging-1111", "other"}


def test_two_processes_cannot_prepare_the_same_output(tmp_path):
    leftover = tmp_path / "out.staging-1111"
    leftover.mkdir()
    descriptor = os.open(leftover, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(DataError, match="another process prepares the same output"):
        publish.clean_up(epath.Path(tmp_path / "out"))
    os.close(descriptor)
    assert leftover.exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [("gs://bucket/out", "is a URL"), ("{tmp}/file", "is a file"), ("{tmp}/full", "it is not ours to replace")],
)
def test_outputs_that_are_refused(tmp_path, path, message):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    with pytest.raises(DataError, match=message):
        publish.check_output(path.format(tmp=tmp_path))
