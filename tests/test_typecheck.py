"""The type checker sees the packages as they are imported, and finds a value of the wrong class."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from scripts import typecheck

ENGINES = '''"""Two classes with nothing in common."""


class Engine:
    def block(self) -> int:
        return 1


class RandomFeatures:
    def block(self) -> int:
        return 2
'''
USE = '''"""A caller in another package."""

from kerneldistill.kernels.engines import Engine, RandomFeatures


def rows(engine: Engine) -> int:
    return engine.block()


WRONG = rows(RandomFeatures())
'''


def test_a_wrong_argument_across_packages_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in typecheck.LAYOUT:
        (tmp_path / folder).mkdir()
    shutil.copy(typecheck.ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "kernels" / "engines.py").write_text(ENGINES)
    (tmp_path / "distill" / "use.py").write_text(USE)
    monkeypatch.setattr(typecheck, "ROOT", tmp_path)

    assert typecheck.main([str(tmp_path / "kernels")]) == 0
    assert typecheck.main([]) == 1
    found = re.findall(r"^ +(\S+) - error: .*\"RandomFeatures\" cannot be assigned", capsys.readouterr().out, re.M)
    assert found == ["distill/use.py:10:14"]


def test_everything_that_is_copied_is_checked() -> None:
    rules = tomllib.loads((typecheck.ROOT / "pyproject.toml").read_text())["tool"]["basedpyright"]
    assert set(rules["include"]) == {target.split("/")[0] for target in typecheck.LAYOUT.values()}
