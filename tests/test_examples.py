"""The examples in scripts/examples, run as their texts say but for fewer steps."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kerneldistill.runs.directory import RunDir

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.stem for path in (ROOT / "scripts" / "examples").glob("*.py"))


def output(example: str, folder: Path, *args: str | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"scripts.examples.{example}", *map(str, args)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def percentages(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"([\d.]+)%", text)]


@pytest.mark.slow
def test_a_set_is_distilled_from_arrays(tmp_path: Path) -> None:
    text = output("distill_arrays", tmp_path, "--steps", "4")
    assert {path.name for path in tmp_path.iterdir()} == {"distilled-digits", "distilled-digits.png"}
    assert "Of 297 new digits, 10 images classify" in text
    assert text.count("then") == 5


@pytest.mark.slow
def test_kernels_predict_better_than_a_linear_one(tmp_path: Path) -> None:
    linear, *networks = percentages(output("kernel_regression", tmp_path, "--train", "100"))
    assert len(networks) == 3
    assert min(networks) > linear > 50


def test_a_flax_network_is_trained_on_a_bundle(finished: RunDir, tmp_path: Path) -> None:
    text = output("judge_with_flax", tmp_path, finished.bundle, finished.prepared, "--steps", "20")
    assert len(percentages(text)) == 7
    assert "random real images" in text


@pytest.mark.slow
def test_an_encoder_is_trained_and_learned_by(finished: RunDir, tmp_path: Path) -> None:
    output("train_encoder", tmp_path, finished.prepared)
    given = ["--kernel.network", "features", "--kernel.encoder", "scripts.examples.train_encoder:phi"]
    given += ["--prepared", str(finished.prepared.resolve()), "--dir", "learned", "--optim.steps", "30"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "kerneldistill", "run", "digits", *given]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads((tmp_path / "learned" / "results.json").read_text())["learned"]["accuracy"] > 0.9, done.stderr


CELLS = """
import json, logging, sys
names = {}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), names)
"""


@pytest.mark.slow
def test_the_notebook_leads_from_pictures_to_a_network(tmp_path: Path) -> None:
    notebook = ROOT / "scripts" / "examples" / "first_hour.ipynb"
    command = [sys.executable, "-c", CELLS, str(notebook)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    by_kernel, by_network = percentages("".join(re.findall(r"classif.*", done.stdout)))
    assert min(by_kernel, by_network) > 60  # one in three by chance
    assert done.stderr.count("are left out: Thumbs.db") == 1
    assert {path.name for path in tmp_path.iterdir()} >= {"runs", "shapes", "shapes-6"}


def test_every_example_is_run_and_short() -> None:
    assert EXAMPLES == ["distill_arrays", "judge_with_flax", "kernel_regression", "train_encoder"]
    for name in EXAMPLES:
        assert len((ROOT / "scripts" / "examples" / f"{name}.py").read_text().splitlines()) < 60


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_says_how_it_is_called(name: str) -> None:
    assert f"python -m scripts.examples.{name}" in (ROOT / "scripts" / "examples" / f"{name}.py").read_text()
