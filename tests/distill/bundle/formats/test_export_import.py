"""The commands export and import: what they call for, what they say, and mistakes in one line."""

import re
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.reader import read_bundle
from kerneldistill.cli.main import main
from kerneldistill.pipeline.prepared import load
from kerneldistill.runs.directory import RunDir
from tests.helpers.mutants import CANARY, Originals, mutants

FC = ["--kernel.network", "fc", "--kernel.depth", "1"]


@pytest.fixture
def set_file(finished: RunDir, tmp_path: Path) -> Path:
    """Ten whitened digits in an .npz as KIP's."""
    train = load(finished.prepared).train
    rows = [int(np.flatnonzero(train.labels == label)[0]) for label in range(10)]
    np.savez(tmp_path / "set.npz", images=train.images[rows], labels=np.eye(10) - 0.1)
    return tmp_path / "set.npz"


def test_a_bundle_is_exported_and_what_it_loses_printed(
    finished: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The data are in the run directory, beside the bundle.
    assert main(["export", str(finished.bundle), "--to", "kip,mtt", "--out", str(tmp_path), "--tests", "50"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("digits: test accuracy by kernel ridge regression, 50 test images\nexport ")
    assert "kip: fc1_ssize10_nozca_nol_noaug_ckpt" in out
    assert f"exported to {tmp_path}" in err
    assert (tmp_path / "mtt" / "labels_best.pt").is_file()


def test_a_set_is_imported_and_exported_again(
    finished: RunDir, set_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, prepared = tmp_path / "bundle", str(finished.prepared)
    assert main(["import", str(set_file), "--out", str(bundle), "--prepared", prepared, *FC]) == 0
    told = capsys.readouterr().err
    assert "npz of KIP, NHWC, labels centred one-hot, images taken as whitened: " in told
    assert re.search(r"predicts \d+\.\d % of 140 validation images, in standard\n", told)
    assert main(["verify", str(bundle)]) == 0
    assert main(["export", str(bundle), "--to", "kip", "--prepared", prepared, "--tests", "50"]) == 0
    assert "the bundle" in capsys.readouterr().out
    (again,) = (tmp_path / "export").rglob("*.npz")
    with np.load(again) as arrays:
        np.testing.assert_array_equal(arrays["images"], read_bundle(bundle).images)


def test_what_is_there_and_is_something_else_is_not_replaced(
    finished: RunDir, set_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, other = tmp_path / "bundle", tmp_path / "other.npz"
    with np.load(set_file) as arrays:
        np.savez(other, images=arrays["images"][::-1], labels=arrays["labels"][::-1])
    to = ["--out", str(bundle), "--prepared", str(finished.prepared), *FC]
    assert main(["import", str(set_file), *to]) == 0
    assert main(["import", str(set_file), *to]) == 0
    assert main(["import", str(other), *to]) == 2
    assert "holds another bundle, one of set.npz: give another folder, or --overwrite" in capsys.readouterr().err
    before = (bundle / "manifest.json").read_bytes()
    out = ["--to", "imagefolder", "kip", "--tests", "0", "--out", str(tmp_path / "out")]
    assert main(["export", str(bundle), *out]) == 0
    assert main(["export", str(bundle), *out]) == 0
    assert main(["export", str(finished.bundle), *out]) == 2
    assert "imagefolder holds the export of another set" in capsys.readouterr().err
    for whole in (bundle, finished.prepared):
        assert main(["export", str(bundle), "--to", "kip", "--tests", "0", "--out", str(whole)]) == 2
        assert "which must hold nothing else: give another --out" in capsys.readouterr().err
        assert main(["verify", str(whole)]) == 0
    assert main(["export", str(finished.bundle), *out, "--overwrite"]) == 0
    assert (bundle / "manifest.json").read_bytes() == before
    assert main(["import", str(other), *to, "--overwrite"]) == 0
    assert (bundle / "manifest.json").read_bytes() != before


def test_mistakes_are_one_line(
    finished: RunDir, set_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = str(finished.prepared)
    out = ["--out", str(tmp_path / "out"), "--prepared", prepared]
    for args, message in (
        (["export", str(finished.bundle)], "is a bundle already: say what to write of it with --to"),
        (["export", str(finished.bundle), "--to", "zip"], "--to has 'zip', allowed are: all, kip"),
        (["export", str(tmp_path / "nowhere")], "which has no config.toml"),
        (["import", str(tmp_path / "absent.npz"), *out], "which is not there"),
        (["import", str(set_file), *out, "--layout", "NCHW"], "those of digits are (8, 8, 1)"),
        (["import", str(set_file), *out, "--evidence", "0"], "--evidence is 0, allowed is 1 or more"),
        (["verify", str(tmp_path / "nowhere")], "DIR is"),
    ):
        assert main(args) == 2
        written = capsys.readouterr()
        assert (written.out, written.err.count("\n")) == ("", 1), written
        assert written.err.startswith("kdistill: error: ")
        assert message in written.err


def test_mutants_end_the_commands_with_one_line_too(
    finished: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "originals").mkdir()
    (tmp_path / "mutants").mkdir()
    out = ["--out", str(tmp_path / "out"), "--prepared", str(finished.prepared)]
    for mutant in mutants(tmp_path / "mutants", Originals(tmp_path / "originals"), 21, seed=2):
        path = str(mutant.path)
        args = ["export", path, "--to", "kip", *out[:2]] if mutant.is_bundle else ["import", path, *out]
        assert main(args) == 2, mutant.how
        assert capsys.readouterr().err.count("\n") == 1, mutant.how
    assert not (tmp_path / "mutants" / CANARY).exists()
    assert not (tmp_path / "out").exists()
