"""The examples in the docstrings of the public surface, run as they stand."""

import doctest
import inspect
import shutil
from pathlib import Path

import pytest

import kerneldistill as kd
from kerneldistill.runs.directory import RunDir
from tests.helpers.digits_arrays import Digits


class LastLines(doctest.OutputChecker):
    """The value of an example; what it prints on its way, such as a table, is left out of the text."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        last = got.splitlines(keepends=True)[-want.count("\n") :] if want else []
        return super().check_output(want, "".join(last), optionflags)


SHOWN = ("DistilledSet", "distill", "evaluate", "label_solve", "load", "load_prepared", "prepare", "preset", "presets")


@pytest.mark.parametrize("name", [*SHOWN, "run"])
def test_examples(name: str, digits: Digits, finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished.path, tmp_path / "runs" / "digits")
    names = {"kd": kd, "folder": tmp_path / "data", **digits._asdict()}
    text = inspect.getdoc(getattr(kd, name)) or ""
    test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert test.examples
    assert doctest.DocTestRunner(LastLines()).run(test).failed == 0


def test_every_function_has_an_example() -> None:
    callables = {name for name in kd.__all__ if inspect.isfunction(getattr(kd, name))}
    assert callables <= {*SHOWN, "run"}
