"""What data sets are called: a version that says nothing is not said."""

from pathlib import Path

import numpy as np

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.preparation import prepare
from kerneldistill.pipeline.titles import titled


def test_a_version_is_told_where_there_is_one() -> None:
    assert titled("cifar10", "3.0.2") == "cifar10 3.0.2"
    assert titled("pets", "0") == "pets"


def test_own_data_are_summed_up_by_their_name(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), np.uint8)
    np.savez(tmp_path / "pets.npz", images=images, labels=np.arange(40) % 2)
    data = DataConfig(name="pets", dir=tmp_path / "pets.npz", source="npz", image_key="images", label_key="labels")
    assert prepare(data, tmp_path / "out").summary().startswith("pets, ")
