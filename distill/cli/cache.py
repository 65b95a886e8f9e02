"""cache: list what runs share on this machine, or remove it.

The comments below are the help texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from kerneldistill.cli.invocation import Call
from kerneldistill.errors import UserError


@dataclass(frozen=True)
class CacheArguments:
    """What to do with what is shared."""

    # list; remove: some data sets; clear: all data sets, compiled programs and measured speeds.
    action: Annotated[Positional[Literal["list", "remove", "clear"]], arg(metavar="ACTION")] = "list"
    # remove only: first letters of the fingerprints of data sets.
    fingerprints: Annotated[Positional[tuple[str, ...]], arg(metavar="FINGERPRINT...")] = ()


ARGUMENTS = CacheArguments


def execute(call: Call) -> None:
    """List what runs share, or remove it."""
    asked = call.parse(CacheArguments)
    if bool(asked.fingerprints) != (asked.action == "remove"):
        raise UserError(
            f"FINGERPRINT is {' '.join(asked.fingerprints) or 'not given'}, allowed with remove, which needs one: "
            f"{call.prog} remove FINGERPRINT, as {call.prog} lists them"
        )
    if asked.action == "list":
        _list()
    else:
        _remove(asked.fingerprints)


def _list() -> None:
    from kerneldistill.runs.shared_data import entries, shared_folder
    from kerneldistill.runtime.console import closing_table
    from kerneldistill.runtime.devices import cache_folder
    from kerneldistill.runtime.text import gigabytes

    folder, programs = shared_folder(), list(_programs())
    found = [] if folder is None else list(entries(folder))
    rows = [(entry.summary, entry.fingerprint[:12], gigabytes(entry.bytes), _when(entry.used)) for entry in found]
    if programs:
        size = sum(path.stat().st_size for path in programs)
        rows.append((f"{len(programs):,} files of compiled programs in {cache_folder()}", "", gigabytes(size), ""))
    count = f"{len(found)} data set{'s' * (len(found) != 1)}"
    total = gigabytes(sum(entry.bytes for entry in found))
    where = "every run keeps its own data" if folder is None else f"data that runs share in {folder}"
    closing_table(f"{where}: {count}, {total}", ("what it is", "fingerprint", "size", "last used"), rows)


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds):%Y-%m-%d %H:%M}"


def _remove(prefixes: tuple[str, ...]) -> None:
    """Remove the data sets that begin with some letters, or everything."""
    from kerneldistill.runs.shared_data import entries, remove, shared_folder
    from kerneldistill.runtime.text import gigabytes

    folder = shared_folder()
    there = [] if folder is None else list(entries(folder))
    chosen = [entry for entry in there if not prefixes or entry.fingerprint.startswith(prefixes)]
    for prefix in prefixes:
        if not any(entry.fingerprint.startswith(prefix) for entry in chosen):
            known = ", ".join(entry.fingerprint[:12] for entry in there) or "none"
            raise UserError(
                f"FINGERPRINT is {prefix!r}, and those in {folder} are: {known} (kdistill cache lists them)"
            )
    for entry in chosen:
        remove(entry)
    programs = [] if prefixes else list(_programs())
    freed = sum(entry.bytes for entry in chosen) + sum(path.stat().st_size for path in programs)
    for path in programs:
        path.unlink(missing_ok=True)
    also = f" and {len(programs):,} files of compiled programs" if programs else ""
    print(f"removed {len(chosen)} data set{'s' * (len(chosen) != 1)}{also}: {gigabytes(freed)}")


def _programs() -> Iterator[Path]:
    """Yield the files of compiled programs, as jax calls them, and of measured speeds."""
    from kerneldistill.runtime.devices import cache_folder

    folder = cache_folder()
    for path in folder.iterdir() if folder is not None and folder.is_dir() else ():
        if path.name.endswith(("-cache", "-atime")) or path.name == "speeds.json":
            yield path
