"""What is judged, from a run and from its bundle: the same set, in the same space, or a refusal with a remedy."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.reader import read_bundle
from kerneldistill.errors import UserError
from kerneldistill.pipeline import load
from kerneldistill.runs import evaluation_targets as module
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.evaluation_targets import of_bundle, of_run
from kerneldistill.runs.outcome import Outcome


def test_a_run_and_its_bundle_hold_one_subject(finished: RunDir) -> None:
    ours = of_run(finished, None)
    theirs = of_bundle(finished.bundle, str(finished.prepared), rewhiten=False)
    outcome = Outcome.load(finished.outcome_file)
    assert np.array_equal(ours.support.images, outcome.support.images)
    assert np.array_equal(ours.support.labels, outcome.support.labels)
    order = np.argsort(outcome.start.class_ids, kind="stable")
    np.testing.assert_allclose(theirs.support.images, ours.support.images[order], rtol=1e-6)
    for name in ("train", "validation", "test"):
        assert np.array_equal(getattr(ours, name).images, getattr(theirs, name).images)
    assert ours[4:] == theirs[4:]
    assert (ours.is_hard(), theirs.is_hard()) == (True, True)
    assert ours.space == load(finished.prepared).manifest.fingerprint
    assert ours.image_shape == (8, 8, 1)


def test_a_run_has_its_own_data_and_a_bundle_has_none(finished: RunDir) -> None:
    with pytest.raises(UserError, match="--prepared is elsewhere, but RUN holds its prepared data"):
        of_run(finished, "elsewhere")
    with pytest.raises(UserError, match="holds no test images: name a prepared data set with --prepared DIR"):
        of_bundle(finished.bundle, None, rewhiten=False)


def otherwise(finished: RunDir, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Makes `load` give the prepared data as another whitening would leave them."""
    data = load(finished.prepared)
    whitener = replace(data.whitener, **changes)
    splits = {
        name: replace(split, images=whitener.apply(data.whitener.invert(split.images)))
        for name, split in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }
    monkeypatch.setattr(module, "load", lambda path: replace(data, whitener=whitener, **splits))


def test_another_space_is_refused_and_whitened_anew_on_request(finished: RunDir, monkeypatch) -> None:
    truth = of_run(finished, None)
    own = read_bundle(finished.bundle).whitener
    otherwise(finished, monkeypatch, channel_std=2 * own.channel_std, kind="none")
    with pytest.raises(UserError, match=r"the space of whitening 'standard'.*in another \('none'\).*--rewhiten"):
        of_bundle(finished.bundle, str(finished.prepared), rewhiten=False)
    anew = of_bundle(finished.bundle, str(finished.prepared), rewhiten=True)
    np.testing.assert_allclose(anew.test.images, truth.test.images, atol=1e-5)
    assert anew.space != truth.space


def test_what_a_whitening_forgot_cannot_be_whitened_anew(finished: RunDir, monkeypatch) -> None:
    otherwise(finished, monkeypatch, per_image_norm=True, kind="kip_zca")
    with pytest.raises(UserError, match=r"forgets each image's mean and length.*prepare the data by 'standard'"):
        of_bundle(finished.bundle, str(finished.prepared), rewhiten=True)


def test_other_classes_are_refused(finished: RunDir, monkeypatch) -> None:
    data = load(finished.prepared)
    names = (*data.manifest.class_names[:9], "ten")
    manifest = replace(data.manifest, class_names=names)
    monkeypatch.setattr(module, "load", lambda path: replace(data, manifest=manifest))
    with pytest.raises(UserError, match=r"has classes \(.*\.\.\.\).*name the prepared data set of digits"):
        of_bundle(finished.bundle, "p", rewhiten=False)


def test_a_damaged_bundle_is_refused(finished: RunDir, tmp_path: Path) -> None:
    shutil.copytree(finished.bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "support.npz").write_bytes(b"")
    with pytest.raises(UserError, match="damaged"):
        of_bundle(tmp_path / "bundle", str(finished.prepared), rewhiten=False)
