"""Steps on features hold as much memory for any number of targets, of any size; each size in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def record(*args: str | int) -> dict:
    command = [sys.executable, "-m", "scripts.feature_scale", *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 96])
def test_memory_is_flat_in_the_targets(side: int) -> None:
    """Twice the targets are 200 MB more of images of 64 x 64, which are mapped and not held."""
    few, many = (record("--targets", count, "--classes", 20, "--side", side) for count in (4096, 8192))
    assert few["support"] == many["support"] == 200
    assert many["peak_bytes"] < few["peak_bytes"] + 5e7
    assert many["peak_bytes"] < 1e9


@pytest.mark.slow
def test_many_classes_fit() -> None:
    found = record("--targets", 50_000, "--classes", 1000)
    assert found["system"] == "primal, 513 x 513"
    assert found["support"] == 10_000
    assert found["peak_bytes"] < 3e9  # 1.4e9 were measured


@pytest.mark.slow
def test_images_of_224_pixels_are_learned() -> None:
    found = record("--targets", 256, "--classes", 10, "--per-class", 2, "--side", 224)
    assert found["support"] == 20
    assert found["peak_bytes"] < 2e9
