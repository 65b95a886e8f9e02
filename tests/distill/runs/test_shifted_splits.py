"""Shifted test splits of a run: corruptions of its own images, and those of other prepared data."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.errors import UserError
from kerneldistill.evaluation.corruptions import CORRUPTIONS
from kerneldistill.pipeline import load
from kerneldistill.runs import shifted_splits as module
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.evaluation_targets import of_bundle, of_run


def test_corruptions_are_of_the_pixels_and_whitened_as_the_rest(finished: RunDir) -> None:
    what, data = of_run(finished, None, ("noise", "shift")), load(finished.prepared)
    assert list(what.shifts) == ["noise", "shift"]
    pixels = np.round(np.clip(data.whitener.invert(data.test.images), 0, 255)).astype(np.uint8)
    for name, split in what.shifts.items():
        np.testing.assert_allclose(split.images, data.whitener.apply(CORRUPTIONS[name](pixels)), atol=1e-6)
        np.testing.assert_array_equal(split.labels, data.test.labels)
    assert what.tested != what.space == of_run(finished, None).tested


def test_a_folder_of_prepared_data_gives_its_test_images(finished: RunDir, tmp_path: Path) -> None:
    other = Path(shutil.copytree(finished.prepared, tmp_path / "later"))
    what = of_bundle(finished.bundle, str(finished.prepared), rewhiten=False, shift=(str(other),))
    assert list(what.shifts) == ["later"]
    np.testing.assert_array_equal(what.shifts["later"].images, what.test.images)
    assert load(other).manifest.fingerprint in what.tested


def test_data_of_other_classes_are_refused(finished: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    data = load(finished.prepared)
    names = (*data.manifest.class_names[:9], "ten")
    monkeypatch.setattr(module, "load", lambda path: replace(data, manifest=replace(data.manifest, class_names=names)))
    with pytest.raises(UserError, match=r"--shift has elsewhere, whose classes are .*prepare them alike"):
        of_run(finished, None, ("elsewhere",))
