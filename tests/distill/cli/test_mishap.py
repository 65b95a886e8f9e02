"""What the machine does not allow is one line with the file's name, and status 2; `--traceback` shows the rest."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.cli.main import main
from kerneldistill.cli.mishap import in_words
from kerneldistill.runs.directory import RunDir

# A full disk: no file of this process can grow past a few bytes.
LIMITED = """
import resource, sys
from kerneldistill.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


def limited(bytes_a_file: int, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command whose files cannot grow."""
    env = {**os.environ, "KERNELDISTILL_CACHE": ""}
    given = [str(bytes_a_file), *map(str, words)]
    return subprocess.run([sys.executable, "-c", LIMITED, *given], capture_output=True, text=True, env=env)


def told_once(answer: subprocess.CompletedProcess[str], place: Path) -> None:
    """Expect one line that says which file below `place` has no room."""
    lines = [line for line in answer.stderr.splitlines() if line.startswith("kdistill: error: ")]
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(lines) == 1
    assert "File too large" in lines[0]
    assert "ake room there, then run the same command again" in lines[0]
    assert str(place) in lines[0]


def test_a_full_disk_is_one_line_in_each_stage(finished: RunDir, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for size, words in (
        (2000, ["prepare", "digits", "--out", out]),
        (400, ["report", finished.path, "--out", out / "page.html", "--test-images", "0"]),
    ):
        told_once(limited(size, *words), tmp_path)


@pytest.mark.slow
def test_a_full_disk_loses_nothing_that_was_there(finished: RunDir, tmp_path: Path) -> None:
    run = shutil.copytree(finished.path, tmp_path / "run", symlinks=True)
    bundle = shutil.copytree(finished.bundle, tmp_path / "bundle")
    with np.load(bundle / "support.npz") as learned:
        np.savez(tmp_path / "set.npz", images=learned["images"], labels=learned["labels"])
    taken = ["import", tmp_path / "set.npz", "--out", bundle, "--prepared", finished.prepared, "--overwrite"]
    taken += ["--kernel.network", "fc", "--kernel.depth", "2"]
    out = tmp_path / "out"
    for size, words in (
        (120_000, ["prepare", "digits", "--out", out]),  # in a shard, which a library writes
        (400, ["export", finished.bundle, "--to", "kip", "--out", out, "--tests", "0"]),
    ):
        told_once(limited(size, *words), tmp_path)
    for size, words, place in (
        (400, ["evaluate", run, "--protocol", "krr"], run),
        (3000, ["run", "digits", "--dir", run, "--config", run / "config.toml", "--optim.steps", "14"], run),
        (2000, taken, bundle),
    ):
        told_once(limited(size, *words), tmp_path)
        assert main(["verify", str(place)]) == 0


def test_a_place_that_cannot_be_written_is_named(
    finished: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    page = tmp_path / "file" / "page.html"
    assert main(["report", str(finished.path), "--test-images", "0", "--out", str(page)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert f"{tmp_path}/file" in line
    assert "something else is there: move it away, or give another path" in line


def test_errors_that_are_not_the_programs_are_put_in_words() -> None:
    for error, words in (
        (PermissionError(13, "Permission denied", "/a"), "/a: Permission denied; give a folder that you may read"),
        (OSError("30 requested and 1 written"), "a file: 30 requested and 1 written"),
        (MemoryError(), "memory is full (Python could not have more): set a smaller --support.size"),
        (RuntimeError("RESOURCE_EXHAUSTED: 3 GB"), "memory is full (RESOURCE_EXHAUSTED: 3 GB)"),
        (RecursionError("maximum depth"), "nested too deep"),
    ):
        told = in_words(error)
        assert told is not None
        assert words in told
    assert in_words(ZeroDivisionError("a bug")) is None


def test_a_traceback_is_shown_when_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--traceback", "verify", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert told.splitlines()[-1].startswith("kdistill: error: no manifest.json")


def test_control_characters_do_nothing_to_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path / "a\x1b[31mred")]) == 2
    told = capsys.readouterr().err
    assert "a\\x1b[31mred" in told
    assert "\x1b" not in told


def test_neither_do_those_of_a_flag_that_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "digits", "--data.channels", "\x1b[2J"]) == 2
    assert main(["plan", "digits", "--\x1b[2J"]) == 2
    told = capsys.readouterr().err
    assert "\\x1b[2J" in told
    assert "\x1b" not in told


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_who_stops_reading_is_not_complained_to(stream: str, finished: RunDir) -> None:
    words = [sys.executable, "-m", "kerneldistill", "presets", "digits"]
    if stream == "stderr":
        words = [sys.executable, "-m", "kerneldistill", "report", str(finished.path), "--test-images", "0"]
        words += ["--out", str(finished.path.parent / "piped.html")]
    reads, writes = os.pipe()
    os.close(reads)
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    answer = subprocess.run(words, **{stream: writes, other: subprocess.PIPE})
    os.close(writes)
    assert (answer.returncode, getattr(answer, other)) == (141, b"")
