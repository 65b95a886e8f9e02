"""The pins fit the project, and the two files that hold them agree."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import lock

EXAMPLE = """\
# a comment
attrs==26.1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via something
scipy==1.17.1 ; python_full_version < '3.12' \\
    --hash=sha256:22
wheel==0.48.0  # inline
"""


def declared() -> Iterator[Requirement]:
    """What pyproject.toml asks for, with the extras that are pinned."""
    project = tomllib.loads((lock.ROOT / "pyproject.toml").read_text())["project"]
    for texts in (project["dependencies"], *(project["optional-dependencies"][name] for name in lock.EXTRAS)):
        yield from map(Requirement, texts)


def test_constraints_are_the_lock_without_hashes() -> None:
    assert lock.CONSTRAINTS.read_text() == lock.constraints(lock.LOCK.read_text())


def test_what_the_constraints_keep_of_a_lock() -> None:
    assert lock.constraints(EXAMPLE) == "attrs==26.1.0\nscipy==1.17.1 ; python_full_version < '3.12'\nwheel==0.48.0\n"


def test_every_dependency_is_pinned_within_its_range() -> None:
    pins = [Requirement(line) for line in lock.CONSTRAINTS.read_text().splitlines()]
    for wanted in declared():
        versions = [str(pin.specifier).removeprefix("==") for pin in pins if same_name(pin, wanted)]
        assert versions, f"{wanted.name} is not pinned: run python -m scripts.lock"
        for version in versions:
            assert wanted.specifier.contains(version), f"{wanted} is pinned to {version}: run python -m scripts.lock"


def same_name(a: Requirement, b: Requirement) -> bool:
    return canonicalize_name(a.name) == canonicalize_name(b.name)


def test_every_pin_has_a_hash_and_no_place() -> None:
    text = lock.LOCK.read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert len(entries) == len(lock.CONSTRAINTS.read_text().splitlines()) > 50
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


def test_disagreement_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert lock.main(["--check"]) == 0
    changed = tmp_path / "constraints.txt"
    changed.write_text(lock.CONSTRAINTS.read_text().replace("jax==", "jax==9."))
    monkeypatch.setattr(lock, "CONSTRAINTS", changed)
    assert lock.main(["--check"]) == 1


def test_without_uv_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lock.shutil, "which", lambda *_, **__: None)
    assert lock.main([]) == 1
    assert "pip install uv" in capsys.readouterr().err
