"""A bundle is complete, equal for equal contents, usable without this program, and checked on reading."""

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from kerneldistill.bundle.reader import read_bundle
from kerneldistill.bundle.writer import write_bundle
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import KernelConfig
from kerneldistill.config.toml import config_digest
from kerneldistill.errors import UserError
from kerneldistill.pipeline.errors import DataError
from tests.helpers.bundles import NAMES, make_contents

FILES = [
    "README.md",
    "manifest.json",
    "probe.npz",
    "results.json",
    "support.npz",
    "support.png",
    "transform.npz",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of standardised images."""
    write_bundle(tmp_path / "bundle", make_contents())
    return tmp_path / "bundle"


@pytest.mark.parametrize("kind", ["standard", "kip_zca", "none"])
def test_what_is_written_is_read(tmp_path: Path, kind: str) -> None:
    contents = make_contents(kind)
    write_bundle(tmp_path / "bundle", contents)
    assert sorted(os.listdir(tmp_path / "bundle")) == FILES
    bundle = read_bundle(tmp_path / "bundle")
    order = np.array([1, 3, 5, 2, 6, 0, 4])
    np.testing.assert_array_equal(bundle.images, contents.images.astype(np.float32)[order])
    np.testing.assert_array_equal(bundle.labels, contents.labels.astype(np.float32)[order])
    assert bundle.class_ids.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert bundle.init_indices.tolist() == [101, 103, 105, 102, 106, 100, 104]
    assert [array.dtype.name for array in (bundle.images, bundle.labels)] == ["float32"] * 2
    assert [array.dtype.name for array in (bundle.class_ids, bundle.init_indices)] == ["int32"] * 2
    assert bundle.results == contents.results
    np.testing.assert_array_equal(bundle.whitener.apply(bundle.probe), contents.whitener.apply(contents.probe))
    np.testing.assert_array_equal(bundle.whitener.W_inv, contents.whitener.W_inv)


def test_the_manifest_says_where_it_comes_from(folder: Path) -> None:
    contents, manifest = make_contents(), read_bundle(folder).manifest
    assert (manifest.dataset, manifest.dataset_version, manifest.class_names) == ("tiny", "1.0.0", NAMES)
    assert manifest.kernel == contents.config.kernel
    assert manifest.images_per_class == (3, 2, 2)
    assert manifest.config_sha256 == config_digest(contents.config)
    assert manifest.jax_version == jax.__version__
    assert "not known" in manifest.licence
    for name, digest in manifest.files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert sorted([*manifest.files, "manifest.json"]) == FILES


def test_equal_contents_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    write_bundle(tmp_path / "again", make_contents())
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_bundle_is_replaced_whole(folder: Path) -> None:
    write_bundle(folder, make_contents("kip_zca", label_mode="learned"))
    bundle = read_bundle(folder)
    assert bundle.whitener.kind == "kip_zca"
    assert bundle.manifest.label_mode == "learned"
    assert os.listdir(folder.parent) == ["bundle"]


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    for names in ({"thesis.tex"}, {"manifest.json", "whitener.npz", "probe.npy"}):
        folder = tmp_path / str(len(names))
        folder.mkdir()
        for name in names:
            (folder / name).write_text("x")
        with pytest.raises(DataError, match="not ours to replace"):
            write_bundle(folder, make_contents())
        assert set(os.listdir(folder)) == names


def test_a_failed_export_leaves_the_old_bundle(folder: Path) -> None:
    before = {name: (folder / name).read_bytes() for name in FILES}
    with pytest.raises(ValueError, match="JSON"):
        write_bundle(folder, make_contents(results={"loss": float("nan")}))
    assert {name: (folder / name).read_bytes() for name in FILES} == before
    assert os.listdir(folder.parent) == ["bundle"]


@pytest.mark.parametrize("name", ["images", "labels", "class_ids", "init_indices", "starts", "probe"])
def test_contradicting_shapes_are_refused(tmp_path: Path, name: str) -> None:
    contents = make_contents()
    wrong = replace(contents, **{name: getattr(contents, name)[..., :-1]})
    with pytest.raises(ValueError, match=f"{name} is .* must be " if name != "images" else "must be"):
        write_bundle(tmp_path / "bundle", wrong)


def damage_file(name: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return act


def edit_manifest(**changes: object) -> Callable[[Path], None]:
    """Changes fields and, as a careful forger would, the digest."""

    def act(folder: Path) -> None:
        document = json.loads((folder / "manifest.json").read_text())
        document.pop("digest")
        document.update(changes)
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps({"digest": digest, **document}))

    return act


def change_probe(folder: Path) -> None:
    """Replaces the stored transformed probe, with digests to match: as if another version had whitened it."""
    with np.load(folder / "probe.npz") as probe:
        raw, transformed = probe["raw"], probe["transformed"]
    buffer = io.BytesIO()
    np.savez(buffer, raw=raw, transformed=transformed * 1.01)
    (folder / "probe.npz").write_bytes(buffer.getvalue())
    files = json.loads((folder / "manifest.json").read_text())["files"]
    files["probe.npz"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    edit_manifest(files=files)(folder)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        *(
            (damage_file(name), rf"{re.escape(name)} is damaged, its sha256")
            for name in FILES
            if name != "manifest.json"
        ),
        (lambda folder: (folder / "support.npz").unlink(), r"support\.npz is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), r"has no manifest\.json"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "it is no manifest"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "it is no JSON"),
        (edit_manifest(schema=99), "has schema 99, this version reads 1 to 4"),
        (edit_manifest(step="12"), "is wrong at step"),
        (change_probe, r"whitening the probe gives values 0\.0\d* away"),
    ],
)
def test_every_fault_has_its_message(folder: Path, act: Callable[[Path], None], message: str) -> None:
    act(folder)
    with pytest.raises(UserError, match=message) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)


def test_a_changed_manifest_is_found_by_its_own_digest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"step": 12', '"step": 13'))
    with pytest.raises(UserError, match="its digest does not match"):
        read_bundle(folder)


def test_the_picture_is_one(folder: Path) -> None:
    with Image.open(folder / "support.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 300


def snippets(folder: Path) -> dict[str, str]:
    """The README's code by language heading."""
    text = (folder / "README.md").read_text()
    return dict(re.findall(r"^## (\w+)\n\n(?:[^\n`]+\n\n)?```python\n(.*?)```$", text, flags=re.M | re.S))


@pytest.mark.parametrize("kind", ["standard", "kip_zca", "blocks", "kornia_zca", "none"])
def test_the_numpy_lines_of_the_readme_whiten_as_this_program_does(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = make_contents(kind)
    write_bundle(tmp_path / "bundle", contents)
    monkeypatch.chdir(tmp_path / "bundle")
    names: dict[str, object] = {}
    exec(snippets(tmp_path / "bundle")["numpy"], names)
    pixels = np.concatenate([contents.probe, np.full_like(contents.probe[:1], 77)])
    np.testing.assert_allclose(names["whiten"](pixels), contents.whitener.apply(pixels), atol=2e-5)
    assert names["images"].shape == contents.images.shape


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": KernelConfig("conv_net", 1)},
        {"kernel": KernelConfig("fc", 2, get="nngp", parameterization="standard", width=64), "flip": True},
    ],
)
def test_the_lines_of_the_readme_predict_by_the_exact_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    config = replace(PRESETS["digits"], kernel=changes["kernel"])
    config = replace(config, support=replace(config.support, flip=changes.get("flip", False)))
    write_bundle(tmp_path / "bundle", make_contents(config=config))
    monkeypatch.chdir(tmp_path / "bundle")
    names: dict[str, Any] = {}
    with jax.numpy_dtype_promotion("standard"):
        exec(snippets(tmp_path / "bundle")["kerneldistill"], names)
    np.testing.assert_allclose(names["outputs"], names["distilled"].predict(names["pixels"]), atol=1e-3)


@pytest.mark.parametrize("library", ["torch", "flax"])
def test_the_lines_of_the_readme_train_a_network(library: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = snippets(folder)[library]
    compile(lines, "README.md", "exec")
    pytest.importorskip(library)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    with jax.numpy_dtype_promotion("standard"):
        exec(lines, names)
    assert names["classes"].shape == (8,)
    assert float(names["loss"]) < 0.01  # a network that did not learn stays near the mean square of the labels, 0.22


@pytest.mark.parametrize("mode", ["fixed", "learned", "label_solve"])
def test_the_readme_says_what_the_labels_are(tmp_path: Path, mode: str) -> None:
    write_bundle(tmp_path / "bundle", make_contents(label_mode=mode))
    text = (tmp_path / "bundle" / "README.md").read_text()
    assert {"fixed": "one-hot, minus", "learned": "learned with", "label_solve": "Label Solve"}[mode] in text
    assert text.startswith("# 7 images distilled from tiny 1.0.0\n")
