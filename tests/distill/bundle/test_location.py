"""What is a bundle: also one that lost a file, and nothing else that has a file of its name."""

import shutil
from pathlib import Path

import pytest

from kerneldistill.bundle.location import is_bundle
from kerneldistill.bundle.writer import write_bundle
from tests.helpers.bundles import make_contents


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    write_bundle(folder, make_contents("standard"))
    return folder


def test_a_bundle_that_lost_any_file_is_still_one(bundle: Path, tmp_path: Path) -> None:
    assert is_bundle(bundle)
    for name in sorted(file.name for file in bundle.iterdir()):
        copy = shutil.copytree(bundle, tmp_path / name)
        (copy / name).unlink()
        assert is_bundle(copy), name


@pytest.mark.parametrize("name", ["manifest.json", "support.npz", "transform.npz", "README.md"])
def test_a_folder_with_one_of_its_files_is_none(name: str, bundle: Path, tmp_path: Path) -> None:
    shutil.copy(bundle / name, tmp_path / name)
    assert not is_bundle(tmp_path)
    assert not is_bundle(tmp_path / "missing")
