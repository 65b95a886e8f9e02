"""Prepared data sets that several tests only read."""

import shutil
from pathlib import Path

import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig
from kerneldistill.pipeline.sources.notes import note


@pytest.fixture(scope="session")
def prepared_digits(tmp_path_factory) -> Path:
    """Prepare digits, channel-standardised, in several batches. Do not change it: copy it."""
    out = tmp_path_factory.mktemp("digits") / "standard"
    pipeline.prepare(DataConfig(batch_size=600), out)
    return out


@pytest.fixture
def own_digits(prepared_digits, tmp_path) -> Path:
    """Copy `prepared_digits`, to break the copy."""
    return Path(shutil.copytree(prepared_digits, tmp_path / "own"))


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    """Let a note that an earlier test has seen be logged again."""
    note.cache_clear()
