"""`kd.prepare` and `kd.load_prepared`."""

from pathlib import Path

import numpy as np
import pytest

import kerneldistill as kd
from tests.helpers.digits_arrays import Digits


def test_arrays_are_whitened_and_kept(digits: Digits, tmp_path: Path) -> None:
    made = kd.prepare((digits.images, digits.labels), tmp_path / "data", whiten="kip_zca", validation_fraction=0.25)
    assert made.manifest.class_counts["test"] != made.manifest.class_counts["validation"]
    assert sum(map(len, (made.train, made.validation, made.test))) == 600
    assert len(made.test) == pytest.approx(120, abs=5)
    loaded = kd.load_prepared(str(tmp_path / "data"))
    np.testing.assert_array_equal(loaded.train.images, made.train.images)
    np.testing.assert_allclose(loaded.whitener.apply(loaded.probe), loaded.test.images[:8], atol=1e-5)


def test_a_data_set_by_name_is_prepared(tmp_path: Path) -> None:
    assert len(kd.prepare(kd.DataConfig(), tmp_path / "data", whiten="none").test) == 360


def test_what_cannot_be_is_refused(digits: Digits, tmp_path: Path) -> None:
    pair = digits.images, digits.labels
    with pytest.raises(kd.UserError, match="test is given beside a DataConfig"):
        kd.prepare(kd.DataConfig(), tmp_path, test=pair)
    with pytest.raises(kd.UserError, match=r"whitening.*: allowed are the fields of DataConfig, name, dir"):
        kd.prepare(pair, tmp_path, whitening="none")
    with pytest.raises(kd.DataError, match=r"data.whiten is 'zca'"):
        kd.prepare(pair, tmp_path, whiten="zca")
