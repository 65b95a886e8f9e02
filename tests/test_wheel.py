"""The wheel as a user installs it: beside the package that owns the name `kernels`."""

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.test_layout import FOLDERS, PACKAGES, ROOT

PROGRAM = """
import importlib.metadata, json
import kernels, kerneldistill, kerneldistill.kernels
files = {
    name: [str(file.locate().resolve()) for file in importlib.metadata.distribution(name).files]
    for name in ("kernels", "kerneldistill")
}
print(json.dumps({
    "files": files,
    "kernels": kernels.__file__,
    "kerneldistill": kerneldistill.__file__,
    "kerneldistill.kernels": kerneldistill.kernels.__file__,
}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    answer = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.slow
def test_it_stands_beside_the_distribution_named_kernels(tmp_path: Path) -> None:
    source, empty = tmp_path / "source", tmp_path / "empty"
    empty.mkdir()
    for folder in PACKAGES:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "-q", "--no-deps", "-w", tmp_path / "wheel", source, cwd=empty)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")

    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    run(*pip, "--python", python, "install", "-q", "kernels", cwd=empty)
    run(*pip, "--python", python, "install", "-q", "--no-deps", wheel, cwd=empty)
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    # Our dependencies, from where the tests run; what is installed there by .pth files, such as this project, is not.
    places = [place for place in sys.path if Path(place).name == "site-packages"]
    (site / "dependencies.pth").write_text("".join(f"{place}\n" for place in places))

    found = json.loads(run(python, "-c", PROGRAM, cwd=empty))
    assert Path(found["kernels"]) == site / "kernels" / "__init__.py"
    assert Path(found["kerneldistill"]) == site / "kerneldistill" / "__init__.py"
    assert Path(found["kerneldistill.kernels"]) == site / "kerneldistill" / "kernels" / "__init__.py"
    ours, theirs = {*found["files"]["kerneldistill"]}, {*found["files"]["kernels"]}
    assert ours
    assert theirs
    assert not ours & theirs
    for name in ("py.typed", "kernels/py.typed", "pipeline/py.typed", "report/style.css"):
        assert str(site / "kerneldistill" / name) in ours
    assert not {Path(file).relative_to(site).parts[0] for file in ours if file.startswith(str(site))} & {*FOLDERS}
    assert run(tmp_path / "venv" / "bin" / "kdistill", "--help", cwd=empty).startswith("usage: kdistill")
