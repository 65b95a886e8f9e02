"""The zoo: packed sets come back as bundles, and predict what their cards say."""

import re
from pathlib import Path

import numpy as np
import pytest

import kerneldistill as kd
from kerneldistill import pipeline
from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.bundle.formats.export_source import ExportSource
from kerneldistill.bundle.formats.exporter import export
from kerneldistill.bundle.formats.foreign_set import labels_of
from kerneldistill.bundle.formats.registry import WRITTEN
from kerneldistill.bundle.reader import find_problems, read_bundle
from kerneldistill.cli.main import main
from kerneldistill.errors import UserError
from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.image_decoding import decode
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.runs.directory import RunDir
from kerneldistill.runtime import devices
from kerneldistill.zoo.packed import MOST_BYTES, described, pack, unpack
from kerneldistill.zoo.small_matrix import coded, decoded
from kerneldistill.zoo.store import FOLDER
from tests.helpers.foreign import make_exported

TFDS = Path(pipeline.__file__).parents[2] / "shared" / "data" / "tfds"
# Test images that a set of the zoo is tried on; digits have 360.
SLICE = 400
RESULTS = {"learned": {"accuracy": 0.5, "mse": 0.04}}


def matrix(shape: tuple[int, int, int]) -> np.ndarray:
    """The whitening's matrix of images whose pixels are the more alike the nearer they are."""
    h, w, c = shape
    places = np.stack(np.meshgrid(np.arange(h), np.arange(w), indexing="ij"), -1).reshape(-1, 2)
    near = np.exp(-np.abs(places[:, None] - places).sum(-1) / 3)
    values, vectors = np.linalg.eigh(np.kron(near, np.eye(c) + 0.5))
    return vectors * (values + 0.1) ** -0.5 @ vectors.T


def test_a_matrix_comes_back_whole_from_all_entries_and_nearly_from_few() -> None:
    shape = (6, 6, 2)
    W = matrix(shape)
    whole, inverse = decoded(coded(W, shape), shape)
    np.testing.assert_allclose(whole, W, atol=2e-3)  # half precision
    np.testing.assert_allclose(whole @ inverse, np.eye(len(W)), atol=1e-9)
    errors = [np.linalg.norm(decoded(coded(W, shape, entries), shape)[0] - W) for entries in (1, 100, 1000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.2 * np.linalg.norm(W)


def test_a_packed_bundle_is_the_bundle_again(finished: RunDir, tmp_path: Path) -> None:
    pack(finished.bundle, tmp_path / "a.npz", RESULTS)
    unpack(tmp_path / "a.npz", tmp_path / "a")
    assert list(find_problems(tmp_path / "a")) == []
    one, again = read_bundle(finished.bundle), read_bundle(tmp_path / "a")
    np.testing.assert_allclose(again.images, one.images, atol=2e-3)
    np.testing.assert_array_equal(again.labels, one.labels)
    np.testing.assert_allclose(again.whitener.apply(one.probe), one.whitener.apply(one.probe), atol=1e-6)
    assert again.results == RESULTS == described(tmp_path / "a.npz")[1]
    assert again.manifest.source_fingerprint == one.manifest.source_fingerprint


def test_a_whitening_with_a_matrix_comes_back_with_its_inverse(tmp_path: Path) -> None:
    one = make_exported(tmp_path / "bundle", "kip_zca").bundle
    pack(tmp_path / "bundle", tmp_path / "a.npz", RESULTS)
    unpack(tmp_path / "a.npz", tmp_path / "a")
    assert list(find_problems(tmp_path / "a")) == []
    again = read_bundle(tmp_path / "a")
    np.testing.assert_allclose(again.whitener.apply(one.probe), one.whitener.apply(one.probe), rtol=5e-3, atol=5e-3)


def test_what_is_too_large_is_refused(finished: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerneldistill.zoo.packed.MOST_BYTES", 1000)
    with pytest.raises(UserError, match="allowed in the zoo are 1,000"):
        pack(finished.bundle, tmp_path / "a.npz", RESULTS)


def test_every_set_has_a_card_and_is_small() -> None:
    assert kd.zoo.names()
    for name in kd.zoo.names():
        file = FOLDER / f"{name}.npz"
        assert file.stat().st_size <= MOST_BYTES
        text = file.with_suffix(".md").read_text(encoding="utf-8")
        assert "**Licence of the data**" in text
        assert f"{100 * described(file)[1]['learned']['accuracy']:.1f} %** as packed" in text


# Without optimisation, as tests compile, the kernels of larger images take a minute.
TRIED = [pytest.param(n, marks=[] if n.startswith("digits") else pytest.mark.slow) for n in kd.zoo.names()]


@pytest.mark.parametrize("name", TRIED)
def test_a_set_predicts_what_it_says(name: str) -> None:
    found = kd.zoo.load(name)
    dataset = found.bundle.manifest.dataset
    try:
        source = open_source(DataConfig(name=dataset, dir=None if dataset == "digits" else str(TFDS)))
    except DataError:
        pytest.skip(f"the data of {dataset} are not at hand")
    tests = list(source.read("test", 0, min(SLICE, source.num_examples("test"))))
    images, labels = (
        np.stack([decode(r.image, source.image_shape) for r in tests]),
        np.array([record.label for record in tests]),
    )
    said = found.accuracy
    assert said is not None
    spread = (said * (1 - said) / len(tests)) ** 0.5
    assert np.mean(found.classify(images) == labels) == pytest.approx(said, abs=3 * spread)


# tfds takes seconds, and holds what hf does.
@pytest.mark.parametrize("name", kd.zoo.names())
def test_a_set_goes_to_every_program(name: str, tmp_path: Path) -> None:
    unpack(FOLDER / f"{name}.npz", tmp_path / name)
    bundle = read_bundle(tmp_path / name)
    formats = [each for each in WRITTEN if each != "tfds"]
    report = export(ExportSource(bundle, tmp_path / name), formats, tmp_path / "out", tests=0)
    assert report.left_out == {}
    each = len(bundle.images) // len(bundle.manifest.class_names)
    for written in ("dc", "mtt", "imagefolder"):
        found = read_foreign(given(tmp_path / "out" / written))
        counts = np.bincount(labels_of(found, len(bundle.manifest.class_names)).class_ids)
        assert counts.tolist() == [each] * len(bundle.manifest.class_names)


def given(folder: Path) -> Path:
    """What a reader is given of an export: its one file, or the folder."""
    first, *others = folder.iterdir()
    return folder if others else first


def test_the_command_lists_sets_and_writes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "setup", lambda: None)
    name = kd.zoo.names()[0]
    assert main(["zoo", "list"]) == 0
    assert re.search(rf"{name} +10 ", capsys.readouterr().out)
    assert main(["zoo", "get", name]) == 0
    assert list(find_problems(tmp_path / name)) == []
    assert main(["zoo", "get", "none"]) == 2
    assert "NAME is 'none', allowed are:" in capsys.readouterr().err
    assert main(["zoo", "list", name]) == 2
