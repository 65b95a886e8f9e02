"""Mistakes that users make, and the one line that each gets: what is wrong, and what to type instead."""

import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.main import main

FILE = Path(__file__).with_name("mistakes.toml")
MISTAKES: dict[str, str] = tomllib.loads(FILE.read_text(encoding="utf-8"))
BEGINS = "kdistill: error: "
# Two lines of a terminal.
MOST = 2 * 120
# What is mended in the data, not by a flag.
BY_HAND = {"run --data.dir flat", "run --data.dir nchw.npz"}


# Encoders as they should not be; the digits are 8x8x1.
BAD_ENCODERS = """\
from itertools import count
import jax.numpy as jnp

weights, numbers = 3, count(1)

def flat(x): return x.reshape(len(x), -1)
def nan(x): return jnp.log(flat(x))
def whole(x): return x
def batch(x): return flat(x)[:, : len(x)]
def rounded(x): return jnp.round(flat(x))
def drawn(x): return flat(x) * jnp.asarray(next(numbers), x.dtype)
def norm(x): return flat(x) - flat(x).mean(0, keepdims=True)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a user's files: pictures, arrays, settings, most of them not as they should be."""
    for folder in ("flat", "empty", "one/cat"):
        (tmp_path / folder).mkdir(parents=True)
    for picture in ("flat/0.png", "flat/1.png", "flat/2.png", "one/cat/a.png"):
        Image.new("L", (4, 4)).save(tmp_path / picture)
    texts = {
        "notes.txt": "hello",
        "bad_encoder.py": BAD_ENCODERS,
        "broken_encoder.py": "open('weights.npz')\n",
        "bad.toml": "[optim\n",
        "typo.toml": "[optim]\nstep = 3\n",
        "type.toml": "[optim]\nsteps = 'ten'\n",
        "empty.toml": "",
        "noset.toml": 'preset = "dgits"\n[[case]]\nseed = 1\n',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    images, labels = np.zeros((6, 4, 4), np.uint8), np.arange(6) % 2
    np.savez(tmp_path / "mine.npz", images=images, labels=labels)
    np.savez(tmp_path / "nolabels.npz", images=images)
    np.savez(tmp_path / "nchw.npz", images=np.zeros((6, 3, 8, 8), np.uint8), labels=labels)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])  # the folder is added to it
    monkeypatch.setenv("KERNELDISTILL_PREPARED", str(tmp_path / "shared"))
    monkeypatch.setattr("kerneldistill.runtime.devices.setup", lambda: None)  # the tests have set up theirs
    return tmp_path


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_gets_its_line(words: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(words)) == 2
    written = capsys.readouterr()
    *before, line = written.err.splitlines()
    assert line == BEGINS + MISTAKES[words].replace("HERE", str(here))
    assert not any(BEGINS in each or "Traceback" in each for each in before)
    assert written.out == ""


def test_there_are_many_and_each_is_short_and_has_a_remedy() -> None:
    assert len(MISTAKES) >= 120
    commands = "|".join(COMMANDS)
    for words, line in MISTAKES.items():
        assert len(BEGINS + line) <= MOST, words
        assert words in BY_HAND or re.search(rf"--[a-z]|kdistill (?:{commands})\b", line), words
