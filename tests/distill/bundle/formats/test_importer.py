"""An imported set is a bundle like any other, in the whitening that was named, or that its predictions speak for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.formats import importer
from kerneldistill.bundle.formats.export_source import nchw
from kerneldistill.bundle.formats.foreign_set import foreign_set
from kerneldistill.bundle.formats.importer import ImportJob, candidate, import_set
from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.bundle.reader import find_problems, read_bundle
from kerneldistill.config.data_limits import images_per_class
from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.pipeline.prepared import Prepared, load
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.whitening.none import identity_whitener
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.runs.directory import RunDir

FC = KernelConfig(network="fc", depth=1)


@pytest.fixture(scope="module")
def prepared(finished: RunDir) -> Prepared:
    """Standardised digits."""
    return load(finished.prepared)


@pytest.fixture(scope="module")
def rows(prepared: Prepared) -> np.ndarray:
    """Two training images of each class."""
    labels = prepared.train.labels
    return np.concatenate([np.flatnonzero(labels == c)[:n] for c, n in enumerate(images_per_class(20, 10))])


def job(path: Path, **changes: object) -> ImportJob:
    return replace(ImportJob(path, None, "auto", FC, 1e-6, 100), **changes)


def write_kip(path: Path, prepared: Prepared, rows: np.ndarray) -> Path:
    np.savez(path, images=prepared.train.images[rows], labels=np.eye(10)[prepared.train.labels[rows]] - 0.1)
    return path


def test_an_imported_set_is_a_bundle_that_says_where_it_comes_from(
    tmp_path: Path, finished: RunDir, prepared: Prepared, rows: np.ndarray
) -> None:
    path = write_kip(tmp_path / "set.npz", prepared, rows)
    origin = import_set(job(path), [str(finished.prepared)], tmp_path / "bundle")
    bundle = read_bundle(tmp_path / "bundle")
    assert list(find_problems(tmp_path / "bundle")) == []
    assert bundle.manifest.origin == origin
    assert (origin.file, origin.kind, origin.layout) == ("set.npz", "npz of KIP", "NHWC")
    assert (origin.labels, origin.space) == ("centred one-hot", "whitened")
    assert [(seen.whiten, seen.images) for seen in origin.evidence] == [("standard", 100)]
    assert origin.sha256 == importer.digest(path)
    assert (bundle.manifest.label_mode, bundle.manifest.step, bundle.manifest.kernel) == ("fixed", 0, FC)
    assert bundle.manifest.images_per_class == (2,) * 10
    assert set(bundle.init_indices.tolist()) == {-1}
    np.testing.assert_array_equal(bundle.images, prepared.train.images[rows])
    assert "that of set.npz (npz of KIP), imported" in (tmp_path / "bundle" / "README.md").read_text()


def inverted(prepared: Prepared) -> Prepared:
    """The same data in another space: pixels / 255."""
    whitener: Whitener = identity_whitener(prepared.manifest.image_shape, prepared.manifest.fingerprint)

    def other(split: Split) -> Split:
        return Split(whitener.apply(prepared.whitener.invert(split.images)), split.labels)

    config = replace(prepared.manifest.config, whiten="none")
    return replace(
        prepared,
        train=other(prepared.train),
        validation=other(prepared.validation),
        whitener=whitener,
        manifest=replace(prepared.manifest, config=config),
    )


def test_the_whitening_is_inferred_from_validation_images_alone(
    tmp_path: Path, prepared: Prepared, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Split(prepared.test.images[:0], prepared.test.labels[:0])
    places = {"a": replace(inverted(prepared), test=nothing), "b": replace(prepared, test=nothing)}
    monkeypatch.setattr(importer, "load", places.__getitem__)
    path = write_kip(tmp_path / "set.npz", prepared, rows)
    origin = import_set(job(path), ["a", "b", "a"], tmp_path / "bundle")
    accuracy = {each.whiten: each.accuracy for each in origin.evidence}
    assert accuracy["standard"] > accuracy["none"] + 0.05
    assert [each.images for each in origin.evidence] == [100] * 3
    assert read_bundle(tmp_path / "bundle").whitener.kind == "standard"


@pytest.mark.parametrize("space", ["whitened", "normalised", "unit", "pixels", "bytes", "torch"])
def test_each_space_is_brought_to_that_of_the_data(
    tmp_path: Path, prepared: Prepared, rows: np.ndarray, space: str
) -> None:
    truth, labels = prepared.train.images[rows], prepared.train.labels[rows]
    pixels = prepared.whitener.invert(truth)
    match space:
        case "whitened" | "normalised":  # digits have no constants of their own: those of train, as standardised
            foreign = foreign_set("x", truth, labels)
        case "unit":
            foreign = foreign_set("x", pixels / 255, labels)
        case "pixels":
            foreign = foreign_set("x", pixels, labels)
        case "bytes":
            foreign, space = foreign_set("x", np.round(pixels).astype(np.uint8), labels), "auto"
        case "torch":
            (tmp_path / "images.pt").write_bytes(torch_bytes(nchw(truth), "images"))
            (tmp_path / "labels.pt").write_bytes(torch_bytes(labels.astype(np.int64), "labels"))
            foreign, space = importer.read_foreign(tmp_path), "auto"
    found = candidate(foreign, prepared, space)
    np.testing.assert_allclose(found.images, truth, atol=1e-4)
    assert found.labels.class_ids.tolist() == labels.tolist()


def test_sets_of_other_data_are_refused(prepared: Prepared) -> None:
    images = np.zeros((2, 9, 9, 1), np.float32)
    with pytest.raises(UserError, match=r"images are \(9, 9, 1\), those of digits are \(8, 8, 1\)"):
        candidate(foreign_set("x", images, np.array([0, 1])), prepared)
    with pytest.raises(UserError, match="labels are of 3 classes"):
        candidate(foreign_set("x", images[:, :8, :8], np.eye(3)[:2]), prepared)


def test_a_folder_has_a_digest_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = importer.digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = importer.digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({before, renamed, importer.digest(tmp_path)}) == 3
