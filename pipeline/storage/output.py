"""Where a prepared data set goes: a folder appears by one renaming, a URL by one write of its manifest.

Object stores (gs://, s3://) put one object at once and rename no folder. There the files lie in `data-<fingerprint>`
below the URL, and the manifest, written last and over the old one, says so: readers see the old data set or the new.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from etils import epath

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.storage import publish as local
from kerneldistill.pipeline.storage.files import is_remote
from kerneldistill.pipeline.storage.manifest import MANIFEST, Manifest

_DATA = "data-"


class Output(Protocol):
    """A place for a prepared data set.

    path: of the data set
    """

    @property
    def path(self) -> epath.Path: ...

    def sole_writer(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from writing here until the block ends; remove what killed ones left."""
        ...

    def staging(self, fingerprint: str) -> contextlib.AbstractContextManager[epath.Path]:
        """Make a fresh folder to write into; remove it at the end unless it was published."""
        ...

    def publish(self, staging: epath.Path, manifest: Manifest) -> Manifest:
        """Make what is in `staging` the data set, in one step; return the manifest as it is written."""
        ...


def open_output(path: epath.PathLike) -> Output:
    """Open the place that `path` names.

    Raises:
      DataError: it holds something that is not a prepared data set, or no backend knows its scheme.
    """
    return _Url.open(path) if is_remote(path) else _Folder(local.check_output(path))


@dataclass(frozen=True)
class _Folder:
    path: epath.Path

    def sole_writer(self) -> contextlib.AbstractContextManager[None]:
        return local.sole_writer(self.path)

    def staging(self, fingerprint: str) -> contextlib.AbstractContextManager[epath.Path]:
        return local.staging_folder(self.path, fingerprint)

    def publish(self, staging: epath.Path, manifest: Manifest) -> Manifest:
        manifest.save(staging)
        local.publish(staging, self.path)
        return manifest


@dataclass(frozen=True)
class _Url:
    path: epath.Path

    @classmethod
    def open(cls, path: epath.PathLike) -> "_Url":
        scheme = str(path).split("://")[0]
        try:
            out = epath.Path(path)
            names = _names(out)
        except (KeyError, NotImplementedError, ImportError, ValueError) as error:
            raise DataError(
                f"output {path} cannot be reached ({type(error).__name__}: {error}); {scheme}:// needs its package: "
                "gcsfs for gs, s3fs for s3, adlfs for az"
            ) from error
        if MANIFEST not in names and any(not name.startswith(_DATA) for name in names):
            raise DataError(f"output {path} has files but no {MANIFEST}; it is not ours to replace: give another URL")
        return cls(out)

    @contextlib.contextmanager
    def sole_writer(self) -> Iterator[None]:
        """Remove what killed runs left. A URL has no locks: two processes that prepare the same one go unnoticed."""
        _remove_all_but(self.path, self._live())
        yield

    @contextlib.contextmanager
    def staging(self, fingerprint: str) -> Iterator[epath.Path]:
        folder = self.path / f"{_DATA}{fingerprint[:16]}"
        try:
            yield folder
        finally:
            if self._live() != folder.name:
                folder.rmtree(missing_ok=True)

    def publish(self, staging: epath.Path, manifest: Manifest) -> Manifest:
        manifest = replace(manifest, root=staging.name)
        manifest.save(self.path)
        _remove_all_but(self.path, staging.name)
        return manifest

    def _live(self) -> str:
        """Return the name of the folder that the manifest refers to; empty without a manifest."""
        try:
            return Manifest.load(self.path).root
        except DataError:
            return ""


def _remove_all_but(path: epath.Path, live: str) -> None:
    for name in _names(path):
        if name.startswith(_DATA) and name != live:
            (path / name).rmtree(missing_ok=True)


def _names(path: epath.Path) -> list[str]:
    return [child.name for child in path.iterdir()] if path.exists() else []
