"""Runs share their prepared data: made once, linked to, removed and made again; or named by the user."""

import errno
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from etils import epath

from kerneldistill.cli.main import main
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.pipeline import DataError, Manifest
from kerneldistill.pipeline.copying import copy
from kerneldistill.pipeline.errors import InUseError
from kerneldistill.pipeline.verification import verify
from kerneldistill.runs import preparing, shared_data
from kerneldistill.runs.completion import stages_of
from kerneldistill.runs.conduct import Conduct
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.preparing import prepare
from kerneldistill.runs.shared_data import Entry, entries, remove, shared_folder
from kerneldistill.runs.verify import find_problems
from tests.helpers.bucket import Bucket, bucket

__all__ = ["bucket"]


def never(*arguments: object, **options: object) -> Manifest:
    raise AssertionError("prepared again")


@pytest.fixture(scope="module")
def made(small: Config, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunDir]:
    """A folder of shared data with one data set in it, and the run that made it. Copy what you change."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERNELDISTILL_PREPARED", str(folder))
        rundir = prepared(folder.parent / "first", small)
    return folder, rundir


@pytest.fixture
def folder(made: tuple[Path, RunDir], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is in effect."""
    own = Path(shutil.copytree(made[0], tmp_path / "shared"))
    monkeypatch.setenv("KERNELDISTILL_PREPARED", str(own))
    return own


def prepared(path: Path, config: Config, conduct: Conduct = Conduct()) -> RunDir:  # noqa: B008
    rundir = RunDir(path)
    with rundir.open(config):
        prepare(config, rundir, conduct)
    return rundir


def test_a_second_run_links_to_what_the_first_has_prepared(
    folder: Path, small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_data, "prepare", never)
    monkeypatch.setattr(preparing, "prepare_data", never)
    other_kernel = replace(small, seed=3, kernel=replace(small.kernel, depth=2))
    rundir = prepared(tmp_path / "second", other_kernel)
    (entry,) = entries(folder)
    assert rundir.prepared.is_symlink()
    assert rundir.prepared.resolve() == entry.path
    assert entry.fingerprint == entry.path.name == Manifest.load(rundir.prepared).fingerprint
    assert entry.bytes > 100_000
    assert list(find_problems(rundir.path)) == []
    next(entry.path.rglob("*.array_record")).write_bytes(b"")
    assert "the manifest says" in next(find_problems(rundir.path))


def test_a_damaged_entry_is_made_again(folder: Path, small: Config, tmp_path: Path) -> None:
    (entry,) = entries(folder)
    next(entry.path.rglob("*.array_record")).write_bytes(b"")
    verify(prepared(tmp_path / "run", small).prepared)


def test_what_is_removed_is_made_again_and_the_run_is_as_it_was(folder: Path, small: Config, tmp_path: Path) -> None:
    rundir = prepared(tmp_path / "run", small)
    rundir.tie_to_data(Manifest.load(rundir.prepared).fingerprint)
    before = stages_of(small, rundir)
    (entry,) = entries(folder)
    remove(entry)
    assert list(entries(folder)) == []
    assert rundir.config() == small
    (problem,) = find_problems(rundir.path)
    assert problem.startswith(f"{rundir.prepared} leads to {entry.path}, which is not there: ")
    assert stages_of(small, rundir) == before
    prepared(rundir.path, small)
    assert [again.fingerprint for again in entries(folder)] == [entry.fingerprint]


def test_of_two_processes_one_prepares_and_the_other_waits(
    small: Config, made: tuple[Path, RunDir], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Exception | Manifest] = [
        InUseError("process 1"),
        InUseError("process 1"),
        Manifest.load(made[1].prepared),
    ]

    def make() -> Manifest:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(shared_data, "_WAIT_SECONDS", 0)
    assert shared_data._in_turn(make).name == "digits"
    assert capsys.readouterr().err.count("waiting for another process") == 1


@pytest.mark.slow
def test_two_processes_may_begin_with_the_same_data_at_once(tmp_path: Path) -> None:
    env = {**os.environ, "KERNELDISTILL_PREPARED": str(tmp_path / "shared")}
    command = [sys.executable, "-m", "kerneldistill", "prepare", "digits", "--dir"]
    started = [subprocess.Popen([*command, str(tmp_path / name)], env=env) for name in ("one", "two")]
    assert [process.wait(300) for process in started] == [0, 0]
    (entry,) = entries(tmp_path / "shared")
    assert {RunDir(tmp_path / name).prepared.resolve() for name in ("one", "two")} == {entry.path}


def test_a_run_that_has_data_of_its_own_keeps_them(
    finished: RunDir, folder: Path, small: Config, tmp_path: Path
) -> None:
    own = RunDir(Path(shutil.copytree(finished.path, tmp_path / "own")))
    with own.open(small):
        prepare(small, own)
    assert not own.prepared.is_symlink()
    assert list(find_problems(own.path)) == []


def test_arrays_stay_with_their_run(folder: Path, small: Config, tmp_path: Path) -> None:
    rundir = RunDir(tmp_path / "run")
    with rundir.open(small):
        rundir.arrays_file.touch()
        prepare(small, rundir)
    assert not rundir.prepared.is_symlink()


def test_where_nothing_is_shared_a_link_is_replaced_and_not_written_through(
    folder: Path, small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rundir = prepared(tmp_path / "run", small)
    monkeypatch.setenv("KERNELDISTILL_PREPARED", "")
    (entry,) = entries(folder)
    other = replace(small, data=replace(small.data, whiten="none"))
    prepared(rundir.path, other)
    assert not rundir.prepared.is_symlink()
    assert Manifest.load(entry.path).config.whiten == small.data.whiten


def test_several_processes_share_only_in_a_folder_that_is_named(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(*arguments: object, **options: object) -> str:
        return "its own"

    monkeypatch.setattr(preparing, "prepare_data", fake)
    monkeypatch.setattr(preparing, "shared", lambda folder, *_: (folder, f"in {folder.name}"))
    monkeypatch.setattr(preparing, "link", lambda *_: None)
    monkeypatch.delenv("KERNELDISTILL_PREPARED")
    monkeypatch.setenv("KERNELDISTILL_CACHE", str(tmp_path / "cache"))
    rundir = RunDir(tmp_path / "run")
    assert preparing._stored(small, rundir, Conduct(), alone=True) == "in prepared"
    assert preparing._stored(small, rundir, Conduct(), alone=False) == "its own"
    monkeypatch.setenv("KERNELDISTILL_PREPARED", str(tmp_path / "everywhere"))
    assert preparing._stored(small, rundir, Conduct(), alone=False) == "in everywhere"


def test_data_that_are_given_need_no_source(
    made: tuple[Path, RunDir], small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("preparing", "planning.dataset_size"):
        monkeypatch.setattr(f"kerneldistill.runs.{module}.open_source", never)
    for place in (made[1].prepared, made[1].path):  # the data, or a run that has them
        rundir = prepared(tmp_path / f"of-{place.name}", small, Conduct(prepared=str(place)))
        assert rundir.prepared.resolve() == made[1].prepared.resolve()
        assert list(find_problems(rundir.path)) == []


def test_a_cache_that_may_not_be_written_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERNELDISTILL_PREPARED")
    monkeypatch.setenv("KERNELDISTILL_CACHE", str(tmp_path / "a" / "b"))
    assert shared_folder() == tmp_path / "a" / "b" / "prepared"
    asked: list[str] = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append(str(path)))
    assert shared_folder() is None
    assert asked == [str(tmp_path)]


def test_data_that_may_only_be_read_can_be_given(
    made: tuple[Path, RunDir], small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "utime", denied)
    rundir = prepared(tmp_path / "run", small, Conduct(prepared=str(made[1].prepared)))
    assert rundir.prepared.resolve() == made[1].prepared.resolve()


def test_data_of_other_settings_are_refused_with_the_flags(
    made: tuple[Path, RunDir], small: Config, tmp_path: Path
) -> None:
    other = replace(small, data=replace(small.data, whiten="none"))
    with pytest.raises(
        UserError, match=r"data\.whiten 'standard', here 'none': give other data, or set --data\.whiten standard"
    ):
        prepared(tmp_path / "run", other, Conduct(prepared=str(made[1].prepared)))
    with pytest.raises(DataError, match=r"no manifest\.json in"):
        prepared(tmp_path / "other", small, Conduct(prepared=str(tmp_path)))


def test_data_at_a_url_are_copied_once(
    bucket: type[Bucket], made: tuple[Path, RunDir], small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERNELDISTILL_PREPARED", str(tmp_path / "shared"))
    url = "gs://team/digits"
    for name in (file for file in made[1].prepared.rglob("*") if file.is_file()):
        (epath.Path(url) / str(name.relative_to(made[1].prepared))).write_bytes(name.read_bytes())
    rundir = prepared(tmp_path / "run", small, Conduct(prepared=url))
    folder = shared_folder()
    assert folder is not None
    assert rundir.prepared.resolve().parent == folder
    verify(rundir.prepared)
    monkeypatch.setattr("kerneldistill.runs.given_data.copy", never)
    prepared(tmp_path / "again", small, Conduct(prepared=url))


def test_a_damaged_copy_is_none(made: tuple[Path, RunDir], tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(made[1].prepared, tmp_path / "damaged"))
    next(damaged.rglob("*.array_record")).write_bytes(b"")
    with pytest.raises(DataError, match="the manifest says"):
        copy(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_lists_and_removes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("KERNELDISTILL_CACHE", str(cache))
    for name in ("jit_step-0-cache", "speeds.json", "mine.txt"):
        (cache / name).write_text("x")
    (entry,) = entries(folder)
    assert main(["cache"]) == 0
    listed = capsys.readouterr().out
    assert f"{folder}: 1 data set, " in listed
    row = rf"digits 1\.0\.0, 1,297 train.* {entry.fingerprint[:12]} +{entry.bytes / 1e6:.0f} MB +20"
    assert re.search(row, listed)
    assert main(["cache", "remove", "zz"]) == 2
    assert entry.fingerprint[:12] in capsys.readouterr().err
    assert main(["cache", "remove"]) == 2
    assert main(["cache", "remove", entry.fingerprint[:4]]) == 0
    assert list(entries(folder)) == []
    assert main(["cache", "clear"]) == 0
    assert [path.name for path in cache.iterdir()] == ["mine.txt"]


def test_what_a_killed_process_left_is_listed_and_removed(folder: Path) -> None:
    staging = folder / f"{'0' * 64}.staging-0123"
    staging.mkdir()
    (staging / "half").write_bytes(bytes(1000))
    left = next(entry for entry in entries(folder) if entry.fingerprint == "0" * 64)
    assert left == Entry(folder / ("0" * 64), "0" * 64, left.summary, 1000, left.used)
    assert "not complete" in left.summary
    remove(left)
    assert not staging.exists()
