"""A run on features of an encoder, from arrays and by commands; it goes on and predicts with that one alone."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

import kerneldistill as kd
from kerneldistill.algorithms import encoders
from kerneldistill.bundle.manifest import BundleManifest
from kerneldistill.cli.main import main
from kerneldistill.runs.conduct import USUAL
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.stages import run
from kerneldistill.runs.verify import find_problems
from tests.helpers.encoders import of_digits, other_of_digits

ENCODER = "tests.helpers.encoders:of_digits"


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_GIVEN", {})


@pytest.fixture(scope="module")
def config(small: kd.Config) -> kd.Config:
    kernel = replace(small.kernel, network="features", encoder=ENCODER)
    return replace(small, kernel=kernel, optim=replace(small.optim, learning_rate=0.05))


@pytest.fixture(scope="module")
def learned(config: kd.Config, finished: RunDir, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    rundir = RunDir(tmp_path_factory.mktemp("features") / "run")
    with jax.numpy_dtype_promotion("standard"), rundir.open(config):
        run(config, rundir, USUAL._replace(prepared=str(finished.prepared)))
    return rundir


def test_a_run_learns_by_the_features(learned: RunDir) -> None:
    results = json.loads(learned.results_file.read_text())
    _, first, *_, last = (json.loads(line) for line in learned.metrics_file.read_text().splitlines())
    assert last["loss"] < 0.3 * first["loss"]
    assert results["learned"]["accuracy"] > results["start"]["accuracy"] > 0.15
    assert len(list(learned.features.glob("*/*.npy"))) == 4  # 1,300 of train, of validation, of test
    assert not list(find_problems(learned.path))
    assert main(["report", str(learned.path), "--out", str(learned.path.parent / "report.html")]) == 0
    assert "the kernel is of features of an encoder" in (learned.path.parent / "report.html").read_text()
    manifest = BundleManifest.from_file(learned.bundle / "manifest.json")
    assert manifest.encoder is not None
    assert (manifest.encoder.name, manifest.encoder.size) == (ENCODER, 12)
    assert "as encoder  # which is not in this folder" in (learned.bundle / "README.md").read_text()


def test_a_bundle_predicts_with_its_encoder_alone(learned: RunDir) -> None:
    probe = np.load(learned.bundle / "probe.npz")["raw"]
    with pytest.raises(kd.UserError, match=r"features of the encoder .*, which no bundle holds: give it in Python"):
        kd.load(learned.bundle).predict(probe)
    with pytest.raises(kd.UserError, match=r"bundle is of features of the encoder .* and that which is given has oth"):
        kd.load(learned.bundle, encoder=other_of_digits).predict(probe)
    assert kd.load(learned.bundle, encoder=of_digits).predict(probe).shape == (len(probe), 10)


def test_another_encoder_of_the_same_name_is_refused(
    learned: RunDir, config: kd.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    with learned.open(config):
        run(config, learned)  # done
    monkeypatch.setattr("tests.helpers.encoders.of_digits", other_of_digits)
    monkeypatch.setattr(encoders, "_GIVEN", {})
    with (
        pytest.raises(kd.UserError, match=r"put its weights back, or give another --dir") as error,
        learned.open(config),
    ):
        run(config, learned)
    assert "\n" not in str(error.value)


def test_commands_take_an_encoder_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], learned: RunDir
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kerneldistill.runtime.devices.setup", lambda: None)  # the tests have set up theirs
    Path("own_encoder.py").write_text("from tests.helpers.encoders import of_digits as phi\n")
    features = ["--kernel.network", "features", "--kernel.encoder", "own_encoder:phi", "--support.size", "20"]
    assert main(["plan", "digits", *features]) == 0
    assert "12 features of an image" in capsys.readouterr().out
    given = ["--prepared", str(learned.prepared.resolve()), "--evaluate.baseline-draws", "1"]
    assert main(["label-solve", "digits", *features, "--dir", "solved", *given]) == 0
    assert "labels solved over" in capsys.readouterr().err
    judged = ["evaluate", str(learned.bundle), "--protocol", "krr", "--prepared", str(learned.prepared), "--seeds", "1"]
    assert main([*judged, "--out", "judged"]) == 2
    assert "--encoder module:function" in capsys.readouterr().err
    assert main([*judged, "--out", "judged", "--encoder", "own_encoder:phi"]) == 0
    assert "features of tests.helpers.encoders:of_digits" in capsys.readouterr().out


def test_arrays_are_distilled_by_a_function() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = (60 * labels[:, None, None] + rng.integers(0, 60, (120, 8, 8))).astype(np.uint8)
    kernel = kd.kernels.features(lambda x: x.reshape(len(x), -1)[:, ::4] ** 2, b_std=1.0)
    result = kd.distill(images, labels, size=3, steps=4, kernel=kernel, optim={"target_batch": 30})
    assert result.predict(images).shape == (120, 3)
    assert (result.classify(images) == labels).mean() > 0.6
    assert result.bundle.manifest.kernel.b_std == 1.0
