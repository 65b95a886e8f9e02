"""Broken and hostile bundles and files: refused in one line, nothing run, nothing else taken for the data."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.bundle.reader import find_problems, read_bundle
from kerneldistill.errors import UserError
from tests.helpers.mutants import CANARY, KINDS, Mutant, Originals, mutants


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return Originals(tmp_path_factory.mktemp("originals"))


def read(path: Path, is_bundle: bool) -> tuple[np.ndarray, ...]:
    """Images and labels, and for a bundle all its arrays."""
    if not is_bundle:
        found = read_foreign(path)
        return found.images, found.labels
    bundle = read_bundle(path)
    whitener = bundle.whitener
    return bundle.images, bundle.labels, bundle.class_ids, bundle.init_indices, whitener.W, whitener.channel_mean


def same(found: tuple[np.ndarray, ...], truth: tuple[np.ndarray, ...]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(found, truth, strict=True))


def outcome(mutant: Mutant, originals: Originals) -> str:
    """`refused`, or `harmless` where the data are exactly the original ones (a date in a zip file, say)."""
    try:
        found = read(mutant.path, mutant.is_bundle)
    except UserError as error:
        return "refused in several lines" if "\n" in str(error) else "refused"
    original = originals.folder / ("bundle" if mutant.is_bundle else mutant.path.name)
    assert original.exists(), f"{mutant.how} was accepted"
    assert same(found, read(original, mutant.is_bundle)), f"{mutant.how} was taken for other data"
    return "harmless"


def try_all(folder: Path, originals: Originals, count: int) -> Counter[str]:
    outcomes = Counter(outcome(mutant, originals) for mutant in mutants(folder, originals, count))
    assert not (folder / CANARY).exists(), "a pickle was executed"
    assert outcomes.total() == outcomes["refused"] + outcomes["harmless"] == count
    return outcomes


def test_the_originals_are_accepted(originals: Originals) -> None:
    assert read(originals.folder / "bundle", True)
    for name in Originals.files:
        assert read(originals.folder / name, False)


def test_seventy_mutants(tmp_path: Path, originals: Originals) -> None:
    assert try_all(tmp_path, originals, 70)["refused"] >= 65


@pytest.mark.slow
def test_a_thousand_mutants(tmp_path: Path, originals: Originals) -> None:
    outcomes = try_all(tmp_path, originals, 1001)
    print(dict(outcomes))
    assert outcomes["refused"] >= 980


def test_verify_names_a_fault_of_every_mutant_of_a_bundle(tmp_path: Path, originals: Originals) -> None:
    for mutant in mutants(tmp_path, originals, 5 * len(KINDS), seed=1):
        if mutant.is_bundle:
            found = list(find_problems(mutant.path))
            assert found, mutant.how
            assert not any("\n" in fault for fault in found)
            assert not any(re.search(r"Traceback", fault) for fault in found)


def test_metadata_of_a_parquet_that_are_damaged_do_not_abort_the_process(tmp_path: Path, originals: Originals) -> None:
    # A column that says it is never empty, where its statistics count the empty ones.
    content = (originals.folder / "set.parquet").read_bytes()
    broken = content.replace(b"\x35\x02\x18\x08whitened", b"\x35\x00\x18\x08whitened")
    assert broken != content
    (tmp_path / "set.parquet").write_bytes(broken)
    reads = "import sys, pathlib, kerneldistill.bundle.formats.detect as d; d.read_foreign(pathlib.Path(sys.argv[1]))"
    ended = subprocess.run([sys.executable, "-c", reads, tmp_path / "set.parquet"], capture_output=True, text=True)
    assert ended.returncode == 1, ended.stderr
    assert re.search(r"UserError: .*set.parquet cannot be read \(.*histogram size mismatch", ended.stderr)


def test_msgpack_alone_cannot_tell_a_changed_number(tmp_path: Path, originals: Originals) -> None:
    content = bytearray((originals.folder / "rcig.msgpack").read_bytes())
    place = content.index(originals.exported.bundle.images.dtype.name.encode()) + 100
    content[place] ^= 1
    (tmp_path / "rcig.msgpack").write_bytes(content)
    changed = read(tmp_path / "rcig.msgpack", False)
    assert not same(changed, read(originals.folder / "rcig.msgpack", False))
