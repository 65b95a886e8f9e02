"""The Dockerfile: its steps, run in a new environment in the place of a container."""

import json
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def steps() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile and what they say."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    pairs = (line.partition(" ") for line in lines if line and not line.startswith("#"))
    return [(instruction, text) for instruction, _, text in pairs]


def copied(folder: Path) -> None:
    """Do its COPY instructions."""
    for instruction, text in steps():
        if instruction == "COPY":
            *sources, target = shlex.split(text)
            for source in sources:
                place = folder / target if target != "./" else folder / source
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, place)


def test_it_holds_what_the_build_names(tmp_path: Path) -> None:
    instructions = [instruction for instruction, _ in steps()]
    assert instructions[0] == "FROM"
    assert instructions[-2:] == ["ENTRYPOINT", "CMD"]
    copied(tmp_path)
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {path.name for path in tmp_path.iterdir()} == let_in
    assert all((tmp_path / name).exists() for name in ("pyproject.toml", "README.md", "LICENSE", "distill/py.typed"))


@pytest.mark.slow
def test_its_steps_run_the_main_job(tmp_path: Path) -> None:
    source, work = tmp_path / "source", tmp_path / "work"
    source.mkdir()
    work.mkdir()
    copied(source)
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / "bin"
    said = dict(steps())
    tool, *arguments = shlex.split(said["RUN"])
    subprocess.run([binaries / tool, *arguments], cwd=source, check=True)
    program, *words = json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"])
    subprocess.run([binaries / program, *words], cwd=work, check=True, stdout=sys.stdout)
    assert (work / "runs" / "digits" / "bundle" / "support.npz").is_file()
