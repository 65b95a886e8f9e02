"""gs:// in memory: an object store that needs no network, in the place of Google's."""

from collections.abc import Iterator

import fsspec
import pytest
from etils.epath import backend, gpath
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry


class Bucket(MemoryFileSystem):
    """Objects by name, put whole; renaming a folder is refused, as no object store can do it in one step."""

    protocol = ("gcs", "gs")
    store: dict = {}  # noqa: RUF012
    pseudo_dirs: list = [""]  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        path = str(path).removeprefix("gcs://").removeprefix("gs://").strip("/")
        return f"/{path}" if path else ""

    def mv(self, *args: object, **kwargs: object) -> None:
        raise NotImplementedError("object stores rename nothing")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Bucket]]:
    """Put `Bucket` behind gs:// for one test."""
    monkeypatch.setattr(gpath, "_is_tf_installed", lambda: False)  # else epath would ask TensorFlow
    fsspec.register_implementation("gcs", Bucket, clobber=True)
    backend.fsspec_backend._get_filesystem.cache_clear()
    Bucket.store.clear()
    yield Bucket
    Bucket.store.clear()
    backend.fsspec_backend._get_filesystem.cache_clear()
    _registry.pop("gcs")
