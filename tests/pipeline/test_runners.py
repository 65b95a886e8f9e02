"""`prepare` writes the same bytes whatever runs the graph, and whenever it is killed."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig
from tests.helpers.killer import config
from tests.helpers.tiny_tfds import examples, write_tfds

CONFIG = DataConfig(whiten="kip_zca", batch_size=200)


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory):
    return pipeline.prepare(CONFIG, tmp_path_factory.mktemp("memory") / "out")


@pytest.mark.parametrize(
    "options",
    [
        ["runner=PortableRunner", "job_endpoint=embed", "environment_type=LOOPBACK"],
        ["direct_num_workers=2", "direct_running_mode=multi_threading"],
        ["direct_num_workers=2", "direct_running_mode=multi_processing"],
        ["runner=BundleBasedDirectRunner"],
    ],
    ids=["job service", "two threads", "two processes", "other bundles"],
)
def test_every_runner_writes_the_same(in_memory, tmp_path, options):
    manifest = pipeline.prepare(CONFIG, tmp_path / "out", options)
    assert set(options) <= {option.removeprefix("--") for option in manifest.pipeline_options}
    # The manifest lists the digest of every file.
    assert dataclasses.replace(manifest, pipeline_options=()) == dataclasses.replace(in_memory, pipeline_options=())


@pytest.mark.parametrize("steps", ["1,5,10", pytest.param("0", marks=pytest.mark.slow)])
def test_a_kill_leaves_the_old_or_the_new(tmp_path, steps):
    data_dir, out = str(tmp_path / "data"), tmp_path / "out"
    write_tfds(tmp_path / "data", {"train": examples(12), "test": examples(6, seed=1)})
    pipeline.prepare(config(data_dir, seed=0), out)
    undisturbed = pipeline.prepare(config(data_dir, seed=1), tmp_path / "undisturbed")

    root = Path(pipeline.__file__).parents[1]
    command = [sys.executable, "-m", "tests.helpers.killer", data_dir, str(out), steps]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)

    found = done.stdout.split()
    assert found[-1] == "done", done.stdout + done.stderr
    # The old until the swap, then the new: the last kill comes after it, before the old is removed.
    assert found[:-1] == ["0"] * (len(found) - 2) + ["1"]
    assert len(found) > (12 if steps == "0" else 7)
    assert pipeline.load(out).manifest == undisturbed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "undisturbed"]


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_byte(tmp_path):
    root = Path(pipeline.__file__).parents[1]
    command = [sys.executable, "-m", "tests.helpers.random_killer", str(tmp_path), "20", "0"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    undisturbed, *killed = (line.split()[1] for line in done.stdout.splitlines())
    assert len(undisturbed) == 64, done.stderr
    assert killed == [undisturbed] * 20
