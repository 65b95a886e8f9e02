"""The log of a first hour: photographs as people have them, and commands that the program knows."""

import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

from kerneldistill.cli.commands import COMMANDS as KNOWN
from kerneldistill.cli.flags import flags_of
from kerneldistill.cli.plan import PlanJob
from kerneldistill.cli.run_arguments import RunJob
from scripts.first_hour import COMMANDS, PHOTOGRAPHS, SHAPES, make_photographs, shown


def test_photographs_are_of_many_sizes_and_lie_beside_other_things(tmp_path: Path) -> None:
    make_photographs(tmp_path / "photos")
    files = sorted((tmp_path / "photos").glob("*/*.jpg"))
    assert len(files) == PHOTOGRAPHS == 300
    assert {file.parent.name for file in files} == {*SHAPES}
    sizes = set()
    for file in files[::10]:
        with Image.open(file) as picture:
            sizes.add(picture.size)
    assert len(sizes) > 20
    assert (tmp_path / "photos" / "notes.txt").exists()


def test_the_commands_are_those_of_the_program() -> None:
    for command in COMMANDS:
        _, name, *words = shlex.split(command)
        assert name in KNOWN or name == "--help"
        if name in ("run", "plan"):
            kind = RunJob if name == "run" else PlanJob
            assert {word for word in words if word.startswith("--")} <= {*flags_of(kind)}


def test_a_command_is_shown_with_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 < shown(f"{sys.executable} -c 'print(*range(40), sep=chr(10))'; exit 3", tmp_path, tmp_path) < 60
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("$ ")
    assert lines[2:8] == list("012345")
    assert lines[8] == "  ... 26 more lines"
    assert lines[-2] == "39"
    assert lines[-1].endswith(" s, status 3]")
