"""A support starts as it is told to, class-major, and a set from elsewhere comes into the space of the data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.support import Start, Support, regressed, unflipped
from kerneldistill.bundle.writer import write_bundle
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config, SupportConfig
from kerneldistill.errors import UserError
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.runs.initial_support import bundle_folder, spent_before, start_of
from tests.helpers.bundles import NAMES, SHAPE, fitted, make_contents, make_source
from tests.helpers.tolerance import assert_close

PIXELS = np.random.default_rng(7).integers(0, 256, (60, *SHAPE), dtype=np.uint8)
LABELS = (np.arange(60) % 3).astype(np.int32)


def data_of(whitener: Whitener) -> Prepared:
    split = Split(whitener.apply(PIXELS), LABELS)
    return Prepared(split, split, split, whitener, make_source(), PIXELS[:8])


def config_of(size: int = 7, start: object = "real", **changes: Any) -> Config:
    return replace(PRESETS["digits"], support=SupportConfig(size, start=str(start)), **changes)


def assert_class_major(start: Start, counts: list[int]) -> None:
    assert np.bincount(start.class_ids).tolist() == counts
    assert np.all(np.diff(start.class_ids) >= 0)
    assert start.class_ids.dtype == np.int32
    assert start.init_indices.dtype == np.int64
    assert start.support.images.dtype == np.float32


def test_real_images_of_each_class_though_their_number_does_not_divide(tmp_path: Path) -> None:
    data = data_of(fitted("standard", PIXELS))
    start = start_of(config_of(), data, tmp_path / "start.npz")
    assert_class_major(start, [3, 2, 2])
    assert np.array_equal(start.support.images, data.train.images[start.init_indices])
    assert np.array_equal(start.class_ids, LABELS[start.init_indices])
    assert np.array_equal(start.support.labels, centred_one_hot(start.class_ids, 3))
    assert not list(tmp_path.iterdir())


def test_noise_has_the_mean_and_deviation_of_real_images(tmp_path: Path) -> None:
    pixels = PIXELS // 4
    pixels[:, 0] += 100
    whitener = fitted("none", pixels)
    data = replace(data_of(whitener), train=Split(whitener.apply(pixels), LABELS))
    start = start_of(config_of(2000, "noise"), data, tmp_path / "start.npz")
    assert_class_major(start, [667, 667, 666])
    assert (start.init_indices == -1).all()
    assert np.array_equal(start.support.labels, centred_one_hot(start.class_ids, 3))
    truth, found = data.train.images, start.support.images
    # Five standard errors.
    error = truth.std(0) / np.sqrt(2000)
    assert (np.abs(found.mean(0) - truth.mean(0)) < 5 * error).all()
    assert (np.abs(found.std(0) / truth.std(0) - 1) < 5 / np.sqrt(2 * 2000)).all()
    other = start_of(config_of(2000, "noise", seed=1), data, tmp_path / "start.npz")
    assert not np.allclose(other.support.images, found)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Seven learned images with learned labels, whitened by `standard`, in a run directory."""
    labels = np.random.default_rng(1).standard_normal((7, 3))
    write_bundle(tmp_path / "run" / "bundle", make_contents("standard", labels=labels, label_mode="learned"))
    return tmp_path / "run"


def test_a_set_of_the_same_whitening_comes_as_it_is(bundle: Path, tmp_path: Path) -> None:
    contents = make_contents("standard")
    data = data_of(contents.whitener)
    found = start_of(config_of(start=bundle), data, tmp_path / "start.npz")
    assert_class_major(found, [3, 2, 2])
    order = np.argsort(contents.class_ids, kind="stable")
    assert np.array_equal(found.support.images, contents.images[order].astype(np.float32))
    assert_close(found.support.labels, np.random.default_rng(1).standard_normal((7, 3))[order], 1e-6)
    assert found.support.labels.dtype == np.float64
    assert (found.init_indices == -1).all()
    alone = start_of(config_of(start=bundle / "bundle"), data, tmp_path / "other.npz")
    assert np.array_equal(alone.support.images, found.support.images)


def test_a_set_of_a_whitening_that_another_machine_fitted_comes_as_it_is(tmp_path: Path) -> None:
    contents = make_contents("kip_zca")
    write_bundle(tmp_path / "bundle", contents)
    noise = 1 + 1e-7 * np.random.default_rng(0).standard_normal(contents.whitener.W.shape)
    data = data_of(replace(contents.whitener, W=contents.whitener.W * noise))
    found = start_of(config_of(start=tmp_path / "bundle"), data, tmp_path / "start.npz")
    order = np.argsort(contents.class_ids, kind="stable")
    assert np.array_equal(found.support.images, contents.images[order].astype(np.float32))


@pytest.mark.parametrize("kind", ["none", "kornia_zca", "kip_zca"])
def test_a_set_of_another_whitening_comes_by_way_of_pixels(kind: str, bundle: Path, tmp_path: Path) -> None:
    contents, data = make_contents("standard"), data_of(fitted(kind, PIXELS))
    found = start_of(config_of(start=bundle), data, tmp_path / "start.npz").support.images
    pixels = contents.whitener.invert(contents.images.astype(np.float32))
    order = np.argsort(contents.class_ids, kind="stable")
    truth = data.whitener.apply(pixels)
    if kind == "kip_zca":  # which forgets the contrast, but not on this way
        contrast = data.whitener.forgotten(pixels).norm / data.whitener.image_norm
        truth = truth * contrast[:, None, None, None]
    assert_close(found, truth[order], 1e-5)
    if kind != "kip_zca":  # which forgets the brightness
        assert_close(data.whitener.invert(found), pixels[order], 1e-4)


def test_a_set_of_another_size_is_brought_up(bundle: Path, tmp_path: Path) -> None:
    contents = make_contents("standard")
    pixels = np.random.default_rng(3).integers(0, 256, (60, 12, 10, 3), dtype=np.uint8)
    whitener = fitted("standard", pixels)
    split = Split(whitener.apply(pixels), LABELS)
    manifest = replace(make_source(), image_shape=(12, 10, 3))
    data = Prepared(split, split, split, whitener, manifest, pixels[:8])
    found = start_of(config_of(start=bundle), data, tmp_path / "start.npz")
    order = np.argsort(contents.class_ids, kind="stable")
    before = contents.whitener.invert(contents.images.astype(np.float32))[order]
    after = whitener.invert(found.support.images).reshape(7, 6, 2, 5, 2, 3).mean((2, 4))
    # Noise is what a bicubic filter takes most of; the rest is the same picture.
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.95
    assert_close(found.support.labels, np.random.default_rng(1).standard_normal((7, 3))[order], 1e-6)
    learned = replace(config_of(start=bundle), support=SupportConfig(7, learn_labels=True, start=str(bundle)))
    refitted = start_of(learned, data, tmp_path / "refitted.npz")
    assert np.array_equal(refitted.support.images, found.support.images)
    assert not np.allclose(refitted.support.labels, found.support.labels)
    assert spent_before(tmp_path / "refitted.npz").seconds > 0
    assert spent_before(tmp_path / "absent.npz").seconds == 0


def test_what_came_from_elsewhere_is_kept(bundle: Path, tmp_path: Path) -> None:
    data, kept = data_of(make_contents("standard").whitener), tmp_path / "start.npz"
    config = config_of(start=bundle)
    first = start_of(config, data, kept)
    write_bundle(bundle / "bundle", make_contents("standard", images=np.zeros((7, *SHAPE))))
    again = start_of(config, data, kept)
    assert np.array_equal(again.support.images, first.support.images)
    assert np.array_equal(again.class_ids, first.class_ids)
    kept.write_bytes(kept.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"start\.npz is damaged"):
        start_of(config, data, kept)


def test_a_set_that_does_not_suit_is_refused(bundle: Path, tmp_path: Path) -> None:
    data, kept = data_of(make_contents("standard").whitener), tmp_path / "start.npz"
    with pytest.raises(UserError, match=r"support\.size is 8, but .* holds 7 images: set --support\.size 7"):
        start_of(config_of(8, bundle), data, kept)
    classes = replace(data, manifest=replace(data.manifest, class_names=("ant", "cat", "bee")))
    with pytest.raises(UserError, match=r"classes ant, bee, cat; allowed are those of tiny, .*ant, cat, bee"):
        start_of(config_of(start=bundle), classes, kept)
    shape = replace(data, manifest=replace(data.manifest, image_shape=(6, 5, 1)))
    with pytest.raises(UserError, match=r"images of 3 channels; allowed are 1, as tiny has"):
        start_of(config_of(start=bundle), shape, kept)
    assert NAMES == ("ant", "bee", "cat")
    assert not kept.exists()


def test_a_set_to_start_from_must_be_a_bundle(bundle: Path, tmp_path: Path) -> None:
    assert bundle_folder(str(bundle)) == bundle_folder(str(bundle / "bundle")) == bundle / "bundle"
    (tmp_path / "manifest.json").touch()
    with pytest.raises(UserError, match=r"support\.start is .*, allowed is real, noise, .*--support\.start"):
        bundle_folder(str(tmp_path))


def test_mirror_images_double_a_support_and_their_gradients_come_back() -> None:
    rng = np.random.default_rng(0)
    support = Support(rng.standard_normal((3, *SHAPE)), rng.standard_normal((3, 2)))
    assert regressed(support, flip=False) is support
    doubled = regressed(support, flip=True)
    assert np.array_equal(doubled.images[3:], support.images[:, :, ::-1])
    assert np.array_equal(doubled.images[:3], support.images)
    assert np.array_equal(doubled.labels, np.concatenate([support.labels, support.labels]))
    # The pullback is the adjoint of the linear map.
    images, labels = rng.standard_normal((6, *SHAPE)), rng.standard_normal((6, 2))
    back = unflipped(images, labels)
    assert np.sum(back.images * support.images) == pytest.approx(np.sum(images * doubled.images))
    assert np.sum(back.labels * support.labels) == pytest.approx(np.sum(labels * doubled.labels))
