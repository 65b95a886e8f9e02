"""What is kept of kernels is found again by what it is of, and by nothing else."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.toml import config_to_toml
from kerneldistill.report.kernels_on_test import OnTest, keep, kept, kept_file, key_of
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
    keep(rundir, "key", found)
    again = kept(rundir, "key")
    for field in fields(OnTest):
        there, here = np.asarray(getattr(again, field.name)), np.asarray(getattr(found, field.name))
        assert there.dtype == here.dtype
        np.testing.assert_array_equal(there, here)
    assert type(again.test_size) is int


def test_another_key_finds_nothing(rundir: RunDir) -> None:
    assert kept(rundir, "key") is None
    keep(rundir, "key", make_on_test())
    assert kept(rundir, "another") is None


@pytest.mark.parametrize("place", [0, 100, 3000, -40])
def test_a_damaged_file_is_as_none_and_said(rundir: RunDir, place: int, caplog: pytest.LogCaptureFixture) -> None:
    keep(rundir, "key", make_on_test())
    content = bytearray(kept_file(rundir).read_bytes())
    content[place : place + 30 or None] = bytes(byte ^ 0xFF for byte in content[place : place + 30 or None])
    kept_file(rundir).write_bytes(content)
    assert kept(rundir, "key") is None
    assert "is damaged" in caplog.text


def test_the_key_follows_all_it_is_a_function_of(rundir: RunDir) -> None:
    keys = {key_of(rundir, 10), key_of(rundir, 11)}
    rundir.outcome_file.write_bytes(b"another outcome")
    keys.add(key_of(rundir, 10))
    rundir.fingerprint_file.write_text("e" * 64 + "\n")
    keys.add(key_of(rundir, 10))
    rundir.config_file.write_text(config_to_toml(PRESETS["fashion-convnet-1"]))
    keys.add(key_of(rundir, 10))
    assert len(keys) == 5
    assert key_of(rundir, 10) in keys
