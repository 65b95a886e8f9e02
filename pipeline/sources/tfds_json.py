"""Check what a TFDS folder says of itself before TFDS reads it: TFDS imports the modules that features name."""

from collections.abc import Iterator
from typing import Any

from etils import epath

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.untrusted.document import read_json
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.limits import MAX_PICKLE_BYTES

# Keys whose values are classes.
_CLASSES = ("pythonClassName", "type", "proto_cls")
_OWN = "tensorflow_datasets."


def read_info(folder: epath.Path) -> dict[str, Any]:
    """Return dataset_info.json of a folder that TFDS may read.

    Raises:
      DataError: a file cannot be read, is too large or no JSON, names a class that is not TFDS's own, or a path.
    """
    for path in folder.iterdir():
        if path.suffix in (".json", ".txt"):  # all that TFDS reads, beside the records
            read_bounded(path, MAX_PICKLE_BYTES)
    info, features = folder / "dataset_info.json", folder / "features.json"
    for key, value in _pairs(_read(features)):
        if key in _CLASSES and isinstance(value, str) and not value.startswith(_OWN):
            raise DataError(f"{features} names the class {value!r:.80}; allowed: those of {_OWN}")
        if "/" in key:
            raise DataError(f"{features} names a feature {key!r:.80}; allowed: a name without /")
    document = _read(info)
    if not isinstance(document, dict):
        raise DataError(f"{info} describes no data set; prepare it with TFDS again")
    return document


def _read(path: epath.Path) -> Any:
    return read_json(read_bounded(path, MAX_PICKLE_BYTES), str(path))


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, however deep, in texts that are JSON too: so TFDS keeps some features."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from part.items()
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, str) and part.lstrip().startswith(("{", "[")):
            waiting.append(read_json(part.encode(), "a feature"))
