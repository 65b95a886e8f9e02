"""Completion: the words that a shell is given, and the scripts, each run by its own shell where that is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.completion import SCRIPTS, candidates
from kerneldistill.cli.main import main
from kerneldistill.config.presets import PRESETS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ru", ["run"]),
        ("run dig", ["digits", "digits-ce"]),
        ("run digits ", []),
        ("run digits --optim.st", ["--optim.steps"]),
        ("run --support.no-", ["--support.no-flip", "--support.no-learn-labels"]),
        ("run --data.whiten k", ["kip_zca", "kornia_zca"]),
        ("run --data.whiten=k", ["--data.whiten=kip_zca", "--data.whiten=kornia_zca"]),
        ("run --data.whiten = k", ["kip_zca", "kornia_zca"]),
        ("run --data.whiten none dig", ["digits", "digits-ce"]),
        ("run --augment.names flip c", ["color", "crop", "cutout"]),
        ("run --data.dir ", []),
        ("evaluate runs/digits --protocol krr dc-", ["dc-quick", "dc-soft"]),
        ("export runs/digits --to k", ["kip"]),
        ("presets digits-", ["digits-ce"]),
        ("zoo ", ["get", "list"]),
        ("zoo get d", ["digits-1ipc"]),
        ("cache c", ["clear"]),
        ("completion ", ["bash", "fish", "zsh"]),
        ("verify ", []),
        ("nothing ", []),
    ],
)
def test_words_are_completed(words: str, expected: list[str]) -> None:
    assert candidates(words.split(" ")) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_flags_that_are_completed(command: str) -> None:
    assert "--help" in candidates([command, "--"])


def test_all_commands_and_presets_are_there() -> None:
    assert {*COMMANDS} <= {*candidates([""])}
    assert {*candidates(["distill", ""])} == {*PRESETS}


# Runs what the user's tab would, and prints what it got.
ASKED = {
    "bash": """COMP_WORDS=(kdistill run dig); COMP_CWORD=2; _kdistill kdistill; printf '%s\\n' "${COMPREPLY[@]}" """,
    "zsh": """words=(kdistill run dig); CURRENT=3; _kdistill; words=(kdistill verify ''); CURRENT=3; _kdistill""",
    "fish": """complete -C 'kdistill run dig'""",
}
# What zsh has only where a user types.
STUBS = 'compdef() { }; compadd() { print -l -- "${found[@]}" }; _files() { }\n'


@pytest.mark.parametrize("shell", SCRIPTS)
def test_each_shell_completes_a_preset(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    program = tmp_path / "kdistill"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m kerneldistill "$@"\n')
    program.chmod(0o755)
    text = f"{STUBS if shell == 'zsh' else ''}{script}\n{ASKED[shell]}"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    answer = subprocess.run([shell, "-c", text], capture_output=True, text=True, env=environment, check=False)
    assert (answer.stdout.split(), answer.stderr) == (["digits", "digits-ce"], "")
