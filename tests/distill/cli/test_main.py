"""The command line: what it calls, what it says, and with which status it ends."""

import io
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tyro

from kerneldistill.cli.main import main
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config
from kerneldistill.errors import UserError
from kerneldistill.pipeline.errors import DataError
from kerneldistill.runs.conduct import Conduct
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime.environment import code_version
from kerneldistill.runtime.signals import poll
from tests.helpers.settings import resolve

DIGITS = PRESETS["digits"]
Calls = list[tuple[object, ...]]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (
            ["run", "digits"],
            [
                ("devices",),
                ("run", DIGITS, RunDir(Path("runs/digits")), []),
            ],
        ),
        (["prepare", "digits", "--dir", "here"], [("prepare", DIGITS, RunDir(Path("here")), [])]),
        (
            ["distill", "--dir", "here", "digits"],
            [("devices",), ("distill", DIGITS, RunDir(Path("here")), [])],
        ),
        (
            ["label-solve", "digits", "--pipeline-options", "a=1", "b=2"],
            [
                ("devices",),
                ("label_solve", DIGITS, RunDir(Path("runs/digits-label-solve")), ["--a=1", "--b=2"]),
            ],
        ),
    ],
)
def test_a_command_opens_its_directory_and_calls_its_function(args: list[str], expected: Calls, calls: Calls) -> None:
    assert main(args) == 0
    assert calls == expected
    rundir = calls[-1][2]
    assert isinstance(rundir, RunDir)
    assert rundir.config() == DIGITS


@pytest.mark.parametrize(
    ("words", "readings"),
    [
        (["cifar10-fc1", "--data.dir", "x"], 1),
        (["cifar10-fc1", "--data.dir", "x", "--config", "{file}"], 1),
        (["--config={file}", "--data.dir", "x", "cifar10-fc1"], 1),
        (["--data.name", "digits", "--data.dir", "x", "cifar10-fc1"], 2),
    ],
)
def test_the_words_are_read_once_where_the_preset_is_plain(
    words: list[str], readings: int, calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[data]\nname = "digits"\n')
    read: list[object] = []
    original = tyro.cli
    monkeypatch.setattr(tyro, "cli", lambda *args, **options: read.append(args) or original(*args, **options))
    assert main(["run", *(word.format(file=file) for word in words)]) == 0
    expected = replace(PRESETS["cifar10-fc1"], data=replace(PRESETS["cifar10-fc1"].data, dir="x"))
    if any(word.startswith(("--config", "--data.name")) for word in words):
        expected = replace(expected, data=replace(expected.data, name="digits"))
    assert calls[-1][1] == expected
    assert len(read) == readings


def test_flags_lie_over_the_file_and_the_file_over_the_named_preset(calls: Calls) -> None:
    Path("mine.toml").write_text("seed = 8\n[optim]\nsteps = 7\n")
    args = ["--optim.steps", "9", "--data.dir", "sets"]
    assert main(["run", *args[:2], "cifar10-fc1", *args[2:], "--config", "mine.toml"]) == 0
    config = calls[-1][1]
    assert isinstance(config, Config)
    assert config == resolve("cifar10-fc1", Path("mine.toml"), args)
    assert (config.seed, config.optim.steps, config.support.size) == (8, 9, 100)


@pytest.mark.parametrize(
    ("flags", "terminal", "answer", "begins"),
    [
        ([], True, "y", True),
        ([], True, "", False),
        (["--yes"], True, "", True),
        ([], False, "", True),
    ],
)
def test_a_question_is_asked_on_a_terminal_alone(
    flags: list[str], terminal: bool, answer: str, begins: bool, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(config: Config, rundir: RunDir, conduct: Conduct) -> None:
        calls.append((conduct.confirm("begin?"),))

    stdin = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(stdin, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdin", stdin)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setattr("kerneldistill.runs.stages.run", run)
    assert main(["run", "digits", *flags]) == 0
    assert calls[-1] == (begins,)


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_commands_on_a_finished_run(command: str, calls: Calls) -> None:
    assert main(["run", "digits", "--dir", "here"]) == 0
    assert main([command, "here"]) == 0
    assert calls[-2:] == [("devices",), (command, RunDir(Path("here")))]


def test_the_directory_is_locked_during_the_call(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def second(config: Config, rundir: RunDir, conduct: Conduct) -> None:
        with pytest.raises(UserError, match="in use"), RunDir(rundir.path).open(config):
            pass
        calls.append(("locked",))

    monkeypatch.setattr("kerneldistill.runs.stages.run", second)
    assert main(["run", "digits"]) == 0
    assert calls[-1] == ("locked",)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rnu", "digits"], "COMMAND is 'rnu', did you mean run?"),
        (["run", "dgits"], "PRESET is 'dgits', did you mean digits?"),
        (["run", "cifar10-fc1"], "--data.dir is not set"),
        (["run", "digits", "--config", "none.toml"], "none.toml cannot be read"),
        (["run", "digits", "--support.size", "0"], "--support.size is 0"),
        (["evaluate", "nowhere"], "RUN is nowhere, which has no config.toml"),
        (["presets", "a", "b"], "'b' is one word too many: leave it out"),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    args: list[str], message: str, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith(f"kdistill: error: {message}")
    assert written.err.count("\n") == 1
    assert calls == []


@pytest.mark.parametrize("error", [UserError("bad\nthing"), DataError("bad thing")])
def test_mistakes_found_later_are_one_line_too(
    error: Exception, calls: Calls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("kerneldistill.runs.stages.run", fail)
    assert main(["run", "digits"]) == 2
    assert capsys.readouterr().err == "kdistill: error: bad thing\n"


def test_a_fault_of_the_program_keeps_its_traceback(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("kerneldistill.runs.stages.run", fail)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["run", "digits"])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_with_75_and_say_how_to_go_on(
    signum: int, calls: Calls, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        os.kill(os.getpid(), signum)
        poll()

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("kerneldistill.runs.stages.run", interrupted)
    assert main(["run", "digits"]) == 75
    assert capsys.readouterr().err == "kdistill: interrupted; run the same command again to resume\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_presets_are_listed_and_printed_as_toml(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["presets"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PRESETS)
    assert main(["presets", "cifar10-fc1"]) == 0
    file = tmp_path / "printed.toml"
    file.write_text(capsys.readouterr().out)
    assert resolve("digits", file, ["--data.dir", "x"]) == resolve("cifar10-fc1", flags=["--data.dir", "x"])


def test_a_broken_pipe_that_is_not_to_the_reader_is_told(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("kerneldistill.runs.stages.run", fail)
    assert main(["run", "digits"]) == 2
    assert capsys.readouterr().err == "kdistill: error: a file: Broken pipe\n"


def test_python_m_distill_is_the_same_command() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "kerneldistill", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"kdistill {code_version()}\n"


CHATTER = """
import logging, sys
from kerneldistill.cli.main import main
main(["presets"])
logging.getLogger("absl").warning("advice to programmers")
logging.getLogger("kerneldistill.runs.training.checkpoints").warning("a step is damaged")
logging.getLogger("kerneldistill.runs.training.checkpoints").info("a detail")
from kerneldistill.pipeline.sources.notes import note
for _ in range(2):
    note("a guess")
"""


def test_only_warnings_meant_for_the_user_are_shown() -> None:
    answer = subprocess.run([sys.executable, "-c", CHATTER], capture_output=True, text=True, check=True)
    assert answer.stderr == "kdistill: WARNING: a step is damaged\nkdistill: a guess\n"
