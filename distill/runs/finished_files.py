"""Digests of all files that a run has finished: `digests.json`. What is being written has none until it is done.

A file is forgotten before it is written again and known once it is whole, so that a kill at any moment leaves no digest
that is wrong. `verify`, `report` and `run` compare them. Prepared data and bundles have manifests of their own.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import sha256, write_whole

DIGESTS = "digests.json"
# What is not part of the run: what others keep beside it, and what has a manifest of its own.
_OTHERS = {DIGESTS, "coarse", "prepared", "features", "bundle", "report", "evaluation", "export"}
_OTHERS |= {"failure.json", "log.txt"}
# What `report` and `evaluate` put beside the run's bundle.
_BESIDE = (".", "bundle-")


class FinishedFiles:
    """The finished files of a run directory.

    Args:
      folder: the run directory

    Example:
      files = FinishedFiles(rundir.path)
      files.forget(rundir.metrics_file)  # it grows from here on
      ...
      files.add()
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / DIGESTS

    def write(self, path: Path, content: bytes) -> None:
        """Write a file, whole or not at all, and its digest."""
        self.forget(path)
        write_whole(path, content)
        self._save({**self._known(), self._name(path): sha256(path)})

    def forget(self, *paths: Path) -> None:
        """Forget files, and all in folders, that are about to be written."""
        changing = tuple(map(self._name, paths))
        known = self._known()
        kept = {name: digest for name, digest in known.items() if not _is_of(name, changing)}
        if kept != known or not self._file.exists():
            self._save(kept)

    def add(self) -> None:
        """Take every file that is there, and not known yet, as finished."""
        known = self._known()
        new = {name: sha256(self._folder / name) for name in self._there() if name not in known}
        if new:
            self._save({**known, **new})

    def problems(self, *paths: Path) -> Iterator[str]:
        """Yield what is missing or not as it was written, of all files or of these, one complete line each."""
        try:
            known = self._read()
        except (OSError, ValueError) as error:
            yield f"{self._file} is damaged ({error}): nobody can tell what is as the run wrote it"
            return
        asked = [self._name(path) for path in paths] or known.keys()
        for name in (name for name in asked if name in known):
            path, digest = self._folder / name, known[name]
            if not path.is_file():
                yield f"{path} is missing, or no file any more: copy it back from a backup"
            elif sha256(path) != digest:
                yield f"{path} is not as it was written: its sha256 differs; copy it back from a backup"

    def check(self, *paths: Path) -> None:
        """Raise UserError, with the first of the problems, where there are any."""
        for problem in self.problems(*paths):
            raise UserError(f"{problem} (kdistill verify {self._folder} names all that is damaged)")

    def _read(self) -> dict[str, str]:
        """The digests by name; none where nothing was finished yet."""
        if not os.path.lexists(self._file):
            return {}
        document = json.loads(self._file.read_bytes())
        if not isinstance(document, dict) or document.get("digest") != _digest(document.get("files")):
            raise ValueError("its digest does not match")
        return document["files"]

    def _known(self) -> dict[str, str]:
        try:
            return self._read()
        except ValueError:  # what is written from here on is known again
            return {}

    def _save(self, files: dict[str, str]) -> None:
        ordered = dict(sorted(files.items()))
        document = {"digest": _digest(ordered), "files": ordered}
        write_whole(self._file, (json.dumps(document, indent=1) + "\n").encode())

    def _there(self) -> Iterator[str]:
        """The names of all files but those of others; links to folders are not followed."""
        for parent, folders, files in os.walk(self._folder):
            if Path(parent) == self._folder:
                folders[:] = [name for name in folders if name not in _OTHERS and not name.startswith(_BESIDE)]
                files = [name for name in files if name not in _OTHERS and not name.startswith(_BESIDE)]
            yield from (self._name(Path(parent, name)) for name in files if Path(parent, name).is_file())

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._folder))


def irregular(folder: Path) -> Iterator[str]:
    """Yield what is neither a file nor a folder, one complete line each: to open a pipe is to wait for ever."""
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            # The link to shared data leads nowhere once these are removed.
            if not path.is_file() and path != folder / "prepared":
                yield f"{path} is no regular file: put the file back that was there, or remove it"


def _is_of(name: str, paths: tuple[str, ...]) -> bool:
    return any(name == path or name.startswith(f"{path}/") for path in paths)


def _digest(files: object) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
