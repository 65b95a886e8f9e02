"""A configuration refuses values out of range when it is made."""

import pytest

from kerneldistill.pipeline import DataConfig, DataError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("validation_fraction", -0.1),
        ("validation_fraction", 0.6),
        ("validation_fraction", float("nan")),
        ("max_bad_fraction", 2),
        ("zca_reg", 0),
        ("batch_size", 0),
        ("seed", -1),
        ("whiten", "zca"),
        ("source", "xml"),
        ("resize", "nearest neighbour"),
        ("height", 0),
        ("channels", 2),
        ("test_split", "train"),
    ],
)
def test_out_of_range(field, value):
    with pytest.raises(DataError, match=rf"data\.{field} is .*; allowed: "):
        DataConfig(**{field: value})


def test_a_folder_may_be_a_path(tmp_path):
    assert DataConfig(source="folder", dir=tmp_path).dir == str(tmp_path)
