"""The documents: every command and snippet is run or says why not, and every flag, link and file in them is there."""

import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields, replace
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import jax
import numpy as np
import pytest
import tyro

from kerneldistill.cli import run_arguments
from kerneldistill.cli.commands import COMMANDS
from kerneldistill.cli.flags import flags_of
from kerneldistill.cli.main import main
from kerneldistill.cli.run_arguments import RunJob
from kerneldistill.config.presets import DIGITS
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime import devices
from tests.helpers.documents import Block, Command, blocks, commands

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT)) for folder in (".", "distill", "kernels", "pipeline", "scripts")
    for path in (ROOT / folder).glob("*.md")
)  # fmt: skip
BLOCKS = {document: blocks(ROOT, document) for document in DOCUMENTS}
# Sample output and drawings.
NOT_CODE = ("text", "")


class ParsedError(Exception):
    """A command line is right; nothing is run."""


def blocks_of(*kinds: str) -> list[Any]:
    chosen = [block for found in BLOCKS.values() for block in found if block.kind in kinds]
    return [pytest.param(block, id=f"{block.document}:{block.line}") for block in chosen]


@pytest.fixture
def here(finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a reader who has run `digits`, and has images in mine.npz."""
    shutil.copytree(finished.path, tmp_path / "runs" / "digits")
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = (rng.integers(0, 80, (60, 4, 4)) + 80 * labels[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=labels)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "setup", lambda: None)  # the tests have set up theirs
    return tmp_path


@pytest.fixture
def parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command ends when its words are read and, where they are a configuration, checked."""

    def ended(function: Callable[..., Any]) -> Callable[..., NoReturn]:
        def parse(*args: Any, **named: Any) -> NoReturn:
            function(*args, **named)
            raise ParsedError

        return parse

    for module in ("run", "plan"):
        command = import_module(f"kerneldistill.cli.{module}")
        monkeypatch.setattr(command, "parse_job", ended(command.parse_job))
    # A document's own data are nowhere.
    monkeypatch.setattr(run_arguments, "with_data_found", lambda config: replace(config, data=DIGITS.data))
    real = tyro.cli

    def read(kind: type, **named: Any) -> Any:
        found = real(kind, **named)
        if "settings" not in {field.name for field in fields(kind)}:
            raise ParsedError
        return found

    monkeypatch.setattr(tyro, "cli", read)


@pytest.mark.parametrize("block", blocks_of("sh", "console"))
def test_every_command_is_parsed_as_the_program_does(block: Block, here: Path, parse_only: None) -> None:
    (here / "mine.toml").write_text("")
    for command in commands(block):
        words = command.words[command.words.index("kdistill") :] if "kdistill" in command.words else []
        if not words and block.not_run:
            continue
        assert words, f"{command.words[0]} is not kdistill: say why it is not run"
        if len(words) > 1 and words[1] in COMMANDS and words[1] != "presets":
            with pytest.raises(ParsedError):
                main(words[1:])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_and_snippet_runs_or_says_why_not(document: str, here: Path) -> None:
    for block in BLOCKS[document]:
        if block.file is not None:
            (here / block.file).write_text(block.text)
        elif block.not_run is not None or block.kind in NOT_CODE:
            continue
        elif block.kind == "python":
            with redirect_stdout(StringIO()), jax.numpy_dtype_promotion("standard"):
                exec(compile(block.text, f"{document}:{block.line}", "exec"), {})
        else:
            assert block.kind in ("sh", "console"), f"{document}:{block.line} is {block.kind}: neither run nor marked"
            for command in commands(block):
                run(command, f"{document}:{block.line}")


def run(command: Command, place: str) -> None:
    """Run one command; what the document shows of its output must be what it prints, but for the numbers."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out), jax.numpy_dtype_promotion("standard"):
        status = main(command.words[1:])
    assert status == (2 if "error:" in command.shown else 0), f"{place}: {out.getvalue()}"
    if command.stdout is not None:
        Path(command.stdout).write_text(out.getvalue())
    if command.shown:
        assert shape(command.shown) == shape(out.getvalue()), place


def shape(text: str) -> str:
    """A text without its line breaks, and with # for every number and its unit."""
    return re.sub(r"[\d,.]*\d(ms|s|m\d\ds|h\d\dm| [kMG]B)?\b", "#", " ".join(text.split()))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_setting_that_is_named_is_one(document: str) -> None:
    text = (ROOT / document).read_text()
    known = {spelling.removeprefix("--") for spelling in flags_of(RunJob)}
    tables = {name.partition(".")[0] for name in known}
    named = {name for name in re.findall(r"--([a-z-]+\.[a-z.-]*[a-z])", text) if name.partition(".")[0] in tables}
    assert named - known - tables == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / document).read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("http") or ((ROOT / document).parent / target).exists(), target


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_every_file_that_is_named_is_there(document: str) -> None:
    named = re.findall(r"`((?:distill|kernels|pipeline|scripts|tests)/[\w./]+)`", (ROOT / document).read_text())
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []
    folders = [name.rpartition("/")[0] for name in named if "NAME" in name]
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_readme_is_short() -> None:
    # Beside the table, which has a row for each run on record.
    text = re.sub(r"(?s)<!-- whole images.*<!-- end of the table -->", "", (ROOT / "README.md").read_text())
    assert len(text.splitlines()) <= 155
