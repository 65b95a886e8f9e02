"""What is no regular file is refused at once, and a large one where it is too large."""

import os
from pathlib import Path

import pytest

from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import names_below, sha256
from kerneldistill.pipeline.untrusted.file import read_bounded


def other_things(folder: Path) -> list[Path]:
    """A folder, a pipe, a link to itself, a device without end, a name that is none, and nothing."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "zero").symlink_to("/dev/zero")
    return [folder / name for name in ("folder", "pipe", "loop", "zero", "absent", "null\0byte", "\udcff")]


def test_other_things_than_files_are_refused(tmp_path: Path) -> None:
    for path in other_things(tmp_path):
        with pytest.raises(UserError, match="cannot be read") as caught:
            read_bounded(path)
        assert str(caught.value).isprintable()
        with pytest.raises((OSError, ValueError)):
            sha256(path)


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="more than 100 bytes"):
        read_bounded(tmp_path / "x", 100)


def test_links_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    for name in ("one", "two", "three"):
        (tmp_path / "a" / name).symlink_to(tmp_path)
    assert list(names_below(tmp_path)) == ["a/file"]
