"""Help: what it says, what it loads, and a reader that leaves."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence

import pytest

from kerneldistill.cli import main as cli
from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.flags import flags_of
from kerneldistill.cli.main import main
from kerneldistill.cli.plan import PlanJob
from kerneldistill.cli.run import KINDS
from kerneldistill.cli.run_arguments import RunJob
from kerneldistill.cli.short_help import EVERYWHERE, FIRST, OWN
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.settings import flag, settings


def test_help_lists_every_command_and_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in [*COMMANDS, *PRESETS])
    assert max(map(len, text.splitlines())) <= 120
    assert main([]) == 2
    assert capsys.readouterr().err == text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main([name, "--help"])
    except SystemExit as end:
        status = end.code
    text = capsys.readouterr().out
    assert status == 0
    assert f"usage: kdistill {name}" in text
    assert f"  kdistill {name} " in text


def test_the_help_of_a_command_shows_the_values_of_its_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "cifar10-fc1", "--help"])
    assert "learned images, of all classes together (100)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["run", "cifar10-fc1", "--help-all"])
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: cifar10)" in text
    assert "--support.size INT Number of learned images in all" in text


@pytest.mark.parametrize("command", OWN)
def test_the_help_of_a_command_with_many_flags_is_short(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 120
    sections = [line.split()[0].removesuffix(".*").removeprefix("--") for line in lines if ".*  " in line]
    assert {name.partition(".")[0].replace("_", "-") for name in settings() if "." in name} < {*sections}
    for section in sections:
        with pytest.raises(SystemExit):
            main([command, "--help", section])
        assert f"--{section}." in capsys.readouterr().out


@pytest.mark.parametrize("command", OWN)
def test_every_flag_in_the_short_help_is_one(command: str) -> None:
    named = re.findall(
        r"--[a-z][a-z.-]*[a-z]", " ".join(f"{a} {b}" for a, b in {**FIRST, **EVERYWHERE, **OWN[command]}.items())
    )
    kind = {**KINDS, "plan": PlanJob}[command]
    assert len(named) > 10
    assert {*named} <= {*flags_of(kind)}


def test_every_section_describes_itself(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        main(["run", "--help-all"])
    text = capsys.readouterr().out
    # Drawn with lines or, where nothing but ASCII can be, without.
    boxes = re.findall(r"([\w.-]+) options[^\w\n]*\n(?: ?-+ *\n)?[│ ]+(\S.*?)[│ ]*\n[│ ]+[─-]+[│ ]*\n", text)
    names = {name for name, _ in boxes}
    assert {name.replace("_", "-").partition(".")[0] for name in settings() if "." in name} < names
    assert names == {found.name[2:].rpartition(".")[0] for found in flags_of(RunJob).values()} - {""}
    assert len({description for _, description in boxes}) == len(boxes)


def test_a_section_that_is_none_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help", "optm"]) == 2
    assert "SECTION is 'optm', did you mean optim?" in capsys.readouterr().err


def test_help_of_a_command_is_had_in_both_orders(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for words in (["help", "status"], ["status", "--help"], ["status", "--help-all"]):
        with pytest.raises(SystemExit):
            main(words)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]
    assert "usage: kdistill status" in texts[0]


def test_every_setting_is_explained(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main(["run", "--help-all"])
    text = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    flags = flags_of(RunJob)
    for name in settings():
        found = flags[flag(name)]
        usage = ", ".join(found.spellings) if found.is_switch else rf"{found.name} \S+"
        assert re.search(rf"{usage} [^(]", text), f"{name} has no comment in its dataclass"


LIGHT = """
import sys
from kerneldistill.cli.main import main
try:
    status = main(sys.argv[2:])
except SystemExit as end:
    status = end.code
print(status, sorted({*sys.argv[1].split(",")} & {*sys.modules}), file=sys.stderr)
"""
# What takes long to import, and what takes a while.
HEAVY = "apache_beam,jax,matplotlib,orbax,tensorflow,tensorflow_datasets"
NOT_FOR_HELP = f"{HEAVY},etils,numpy,optax,PIL,pydantic,rich,scipy"


def loaded(args: Sequence[str], modules: str) -> str:
    """Exit status of a command in a new process, and which of `modules` it loaded."""
    answer = subprocess.run([sys.executable, "-c", LIGHT, modules, *args], capture_output=True, text=True, check=True)
    return answer.stderr.splitlines()[-1]


@pytest.mark.parametrize("args", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_little(args: list[str]) -> None:
    assert loaded(args, NOT_FOR_HELP) == "0 []"


def test_the_help_of_all_commands_loads_no_command_line_parser() -> None:
    assert loaded(["--help"], "tyro,typeguard,asyncio") == "0 []"


@pytest.mark.parametrize("args", [["presets", "digits"], ["run", "digits", "--seed", "-1"], ["status", "nowhere"]])
def test_what_needs_no_computation_loads_nothing_heavy(args: list[str]) -> None:
    assert loaded(args, HEAVY) == ("0 []" if args[0] == "presets" else "2 []")


@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["presets", "digits"]])
def test_a_reader_that_leaves_is_no_fault(args: list[str], buffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:
        command = [sys.executable, "-m", "kerneldistill", *args]
        environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
        answer = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert (answer.returncode, answer.stderr) == (cli.CLOSED_PIPE, "")
