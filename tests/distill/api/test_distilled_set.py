"""A distilled set in use, from memory and from disk."""

from pathlib import Path

import numpy as np
import pytest

import kerneldistill as kd
from kerneldistill.algorithms.labels import centred_one_hot
from tests.helpers.digits_arrays import Digits


def test_a_saved_set_is_the_same_when_loaded(learned: kd.DistilledSet, digits: Digits, tmp_path: Path) -> None:
    folder = learned.save(tmp_path / "bundle")
    for given in (folder, str(folder)):
        loaded = kd.load(given)
        np.testing.assert_array_equal(loaded.images, learned.images)
        np.testing.assert_array_equal(loaded.predict(digits.test_images), learned.predict(digits.test_images))
    assert repr(loaded) == repr(learned)


def test_predictions_are_centred_labels_one_image_at_a_time_or_all(learned: kd.DistilledSet, digits: Digits) -> None:
    outputs = learned.predict(digits.test_images)
    assert outputs.shape == (200, 10)
    np.testing.assert_allclose(learned.predict(digits.test_images[:1]), outputs[:1], rtol=1e-4, atol=1e-6)
    truth = centred_one_hot(digits.test_labels, 10)
    assert np.square(outputs - truth).mean() / 2 == pytest.approx(learned.results["learned"]["mse"], rel=1e-5)


def test_pixels_are_whitened_to_the_images_again(learned: kd.DistilledSet) -> None:
    np.testing.assert_allclose(learned.bundle.whitener.apply(learned.pixels), learned.images, atol=1e-4)


def test_what_is_no_image_of_its_size_is_refused(learned: kd.DistilledSet, digits: Digits) -> None:
    with pytest.raises(kd.UserError, match="images are 4x8x1 and the set is of 8x8x1"):
        learned.predict(digits.test_images[:, :4])
    with pytest.raises(kd.UserError, match="images are float64 from 0 to 1"):
        learned.predict(digits.test_images / 255)


def test_a_set_is_shown_as_a_picture_and_in_one_line(learned: kd.DistilledSet) -> None:
    assert learned.plot().size > (300, 100)
    assert repr(learned).startswith("<DistilledSet images: 10 images of 8x8x1 in 10 classes, labels fixed, step ")
    assert "\n" not in repr(learned)
    assert len(learned) == 10


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(kd.UserError, match=r"manifest.json"):
        kd.load(tmp_path)


def test_a_set_alone_is_judged_on_prepared_data(learned: kd.DistilledSet, digits: Digits, tmp_path: Path) -> None:
    test = (digits.test_images, digits.test_labels)
    prepared = kd.prepare((digits.images, digits.labels), tmp_path / "prepared", test=test)
    assert len(prepared.test) == 200
    bundle = learned.save(tmp_path / "bundle")
    (ntk, nngp) = kd.evaluate(bundle, "krr", seeds=1, prepared=tmp_path / "prepared")
    assert ntk.learned.mean == pytest.approx(learned.accuracy)
    assert nngp.random_real.mean < nngp.learned.mean
    assert (tmp_path / "bundle-evaluation" / "protocols.json").exists()


def test_a_set_is_judged_on_the_data_of_its_own_run(learned: kd.DistilledSet) -> None:
    (judged,) = kd.evaluate(learned, networks=["network=fc,depth=1,get=nngp"], seeds=1)
    assert judged.num_test == 200
    with pytest.raises(kd.UserError, match="seeds is 0"):
        kd.evaluate(learned, seeds=0)
