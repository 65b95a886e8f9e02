"""RFAD's published set lives in a whitening like KIP's: found from validation images alone."""

from pathlib import Path

import pytest

from kerneldistill import pipeline
from kerneldistill.bundle.formats.importer import ImportJob, import_set
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.config.schema import KernelConfig
from kerneldistill.pipeline.config import DataConfig

SHARED = Path(__file__).parents[5] / "shared" / "data"
SET = SHARED / "released" / "rfad_cifar10_ipc1.npz"


@pytest.mark.slow
def test_the_whitening_of_a_released_set_is_inferred(tmp_path: Path) -> None:
    for needed in (SET, SHARED / "tfds" / "cifar10"):
        if not needed.exists():
            pytest.skip(f"{needed.relative_to(SHARED)} is not in ../shared/data")
    folders = []
    for whiten in ("standard", "kip_zca"):
        # Whitening needs more images than features (3,072); the whole of train would take a minute each.
        config = DataConfig(
            name="cifar10",
            dir=str(SHARED / "tfds"),
            train_split="train[:5000]",
            test_split="test[:100]",
            whiten=whiten,
        )
        pipeline.prepare(config, tmp_path / whiten)
        folders.append(str(tmp_path / whiten))
    kernel = KernelConfig(network="conv_net", depth=3, prepend=False, get="nngp")
    origin = import_set(ImportJob(SET, None, "auto", kernel, 1e-6, 300), folders, tmp_path / "bundle")
    accuracy = {each.whiten: each.accuracy for each in origin.evidence}
    assert accuracy["kip_zca"] > accuracy["standard"] + 0.15
    assert read_bundle(tmp_path / "bundle").whitener.kind == "kip_zca"
