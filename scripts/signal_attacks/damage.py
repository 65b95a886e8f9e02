"""Damage to files of a finished run, one at a time, each of which `kdistill verify` must name."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from kerneldistill.runs.verify import find_problems
from scripts.signal_attacks.trial import Trial

Act = Callable[[Path, random.Random], object]


def _flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def _zero(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    start = rng.randrange(len(content))
    path.write_bytes(content[:start] + b"\xff" * 3 + content[start + 3 :])


def _lines(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    path.write_bytes(b"".join(lines))


def _folder(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _itself(path: Path, rng: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _fifo(path: Path, rng: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Act] = {
    "a bit flipped": _flip,
    "cut": _cut,
    "three bytes changed": _zero,
    "a line removed": _lines,
    "emptied": lambda path, rng: path.write_bytes(b""),
    "appended to": lambda path, rng: path.write_bytes(path.read_bytes() + rng.randbytes(3)),
    "deleted": lambda path, rng: path.unlink(),
    "a folder instead": _folder,
    "a link to itself instead": _itself,
    "a fifo instead": _fifo,
}


def damaged(run: Path, scratch: Path, rng: random.Random) -> Trial:
    """Damage one file of a copy of a run, and ask what is wrong with it; the file is put back."""
    if not scratch.exists():
        shutil.copytree(run, scratch, symlinks=True)
    files = sorted(
        path for path in scratch.rglob("*") if path.is_file() and path.stat().st_size and path.name != ".lock"
    )
    # Half of them right in the run directory, the others anywhere below it.
    beside = [path for path in files if path.parent == scratch]
    path = rng.choice(beside if rng.random() < 0.5 else files)
    how = rng.choice(list(DAMAGES))
    before = path.read_bytes()
    DAMAGES[how](path, rng)
    same = path.is_file() and path.read_bytes() == before
    name = str(path.relative_to(scratch))
    try:
        found = list(find_problems(scratch))
        wrong = "" if found or same else "nobody noticed"
        if any("\n" in problem for problem in found):
            wrong = "more than one line"
    except Exception as error:  # of any class: that is what must not be
        found, wrong = [], f"{type(error).__name__}: {error}"
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_bytes(before)
    named = f"{len(found)} problems" if found else "no problem"
    return Trial(f"verify, {how}", name, named, 0.0, wrong)
