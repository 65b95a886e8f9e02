"""What is kept of kernels is found again by what it is of, and by nothing else."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.toml import config_to_toml
from kerneldistill.report.kernels_on_test import OnTest, keep, kept, place_in_run, place_of_bundle
from kerneldistill.runs.directory import RunDir
from tests.helpers.reports import make_on_test


@pytest.fixture
def rundir(tmp_path: Path) -> RunDir:
    rundir = RunDir(tmp_path)
    rundir.config_file.write_text(config_to_toml(PRESETS["digits"]))
    rundir.outcome_file.write_bytes(b"an outcome")
    rundir.fingerprint_file.write_text("f" * 64 + "\n")
    return rundir


def test_what_is_kept_comes_back_bit_for_bit(rundir: RunDir) -> None:
    found = make_on_test()
    keep(place_in_run(rundir, 10), found)
    again = kept(place_in_run(rundir, 10))
    for field in fields(OnTest):
        there, here = np.asarray(getattr(again, field.name)), np.asarray(getattr(found, field.name))
        assert there.dtype == here.dtype
        np.testing.assert_array_equal(there, here)
    assert type(again.test_size) is int


def test_another_key_finds_nothing(rundir: RunDir) -> None:
    assert kept(place_in_run(rundir, 10)) is None
    keep(place_in_run(rundir, 10), make_on_test())
    assert kept(place_in_run(rundir, 11)) is None


@pytest.mark.parametrize("at", [0, 100, 3000, -40])
def test_a_damaged_file_is_as_none_and_said(rundir: RunDir, at: int, caplog: pytest.LogCaptureFixture) -> None:
    place = place_in_run(rundir, 10)
    keep(place, make_on_test())
    content = bytearray(place.file.read_bytes())
    content[at : at + 30 or None] = bytes(byte ^ 0xFF for byte in content[at : at + 30 or None])
    place.file.write_bytes(content)
    assert kept(place) is None
    assert "is damaged" in caplog.text


def test_the_key_follows_all_it_is_a_function_of(rundir: RunDir) -> None:
    keys = {place_in_run(rundir, 10).key, place_in_run(rundir, 11).key}
    rundir.outcome_file.write_bytes(b"another outcome")
    keys.add(place_in_run(rundir, 10).key)
    rundir.fingerprint_file.write_text("e" * 64 + "\n")
    keys.add(place_in_run(rundir, 10).key)
    rundir.config_file.write_text(config_to_toml(PRESETS["fashion-convnet-1"]))
    keys.add(place_in_run(rundir, 10).key)
    assert len(keys) == 5
    assert place_in_run(rundir, 10).key in keys


def test_what_is_of_a_bundle_lies_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    place = place_of_bundle(folder, "space", 10)
    assert place.file == tmp_path / "bundle-evaluation" / "on_test.npz"
    keys = {place.key, place_of_bundle(folder, "space", 11).key, place_of_bundle(folder, "other", 10).key}
    (folder / "manifest.json").write_text("{ }")
    assert len({*keys, place_of_bundle(folder, "space", 10).key}) == 4
    keep(place, make_on_test())
    assert kept(place) is not None
    assert kept(place_of_bundle(folder, "other", 10)) is None
