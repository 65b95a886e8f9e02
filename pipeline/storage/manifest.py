"""`Manifest`: what a prepared data set holds, with a digest of every file. It is written last: without it, no set."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.storage.files import absolute, write_whole
from kerneldistill.pipeline.storage.shard import Shard
from kerneldistill.pipeline.storage.statistics import Statistics

SCHEMA = 2
MANIFEST = "manifest.json"
WHITENER = "whitener.npz"
PROBE = "probe.npy"
DEAD_LETTER = "dead_letter.jsonl"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class File:
    """A file that is not a shard.

    path: relative to the prepared data set
    bytes: size of the file
    sha256: hex digest of the file
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, repr=False)
class Manifest:
    """What a prepared data set is and holds.

    name: of the source data set
    version: of the source data set
    source_format: how the source was stored: embedded, array_record, tfrecord, folder, npz
    image_shape: (h, w, c)
    class_names: [k] names in label order
    class_counts: images of each class, [k] by split
    num_in: records read from the source's train and test splits
    num_bad: records of these that could not be used, listed in dead_letter.jsonl
    shards: every shard, by split and then in order
    files: every other file but this one
    source_fingerprint: hex digest of the source's content
    fingerprint: hex digest of that, the configuration and the schema: equal fingerprints, equal files
    versions: libraries that made it, version by name
    config: the configuration in effect
    pipeline_options: Beam options in effect
    statistics: of the whitened pixels, by split; a split without images has none
    root: folder of all those files, relative to the manifest; empty: the same folder
    schema: version of this format
    """

    name: str
    version: str
    source_format: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    class_counts: Mapping[str, tuple[int, ...]]
    num_in: int
    num_bad: int
    shards: tuple[Shard, ...]
    files: tuple[File, ...]
    source_fingerprint: str
    fingerprint: str
    versions: Mapping[str, str]
    config: DataConfig
    pipeline_options: tuple[str, ...]
    statistics: Mapping[str, Statistics] = field(default_factory=dict)
    root: str = ""
    schema: int = SCHEMA

    def __repr__(self) -> str:
        return f"Manifest({self.summary()})"

    def count(self, split: str) -> int:
        """Count the images in `split`: `train`, `validation` or `test`."""
        return sum(self.class_counts[split])

    def summary(self) -> str:
        """Describe the data set in one line: `digits 1.0.0, 1,297 train, ... images of 8x8x1, whitened by ...`."""
        counts = ", ".join(f"{self.count(split):,} {split}" for split in self.class_counts)
        shape = "x".join(map(str, self.image_shape))
        whitened = f"whitened by {self.config.whiten!r}"
        return f"{self.name} {self.version}, {counts} images of {shape}, {whitened}, {self.num_bad} bad"

    def folder(self, path: epath.Path) -> epath.Path:
        """Return the folder of the files; `path` is that of the manifest."""
        return path / self.root if self.root else path

    def save(self, folder: epath.Path) -> None:
        """Write manifest.json into `folder`, whole or not at all."""
        fields = dataclasses.asdict(self)
        document = {"digest": _digest(fields), **fields}
        lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in document.items()]
        write_whole(folder / MANIFEST, ("{\n" + ",\n".join(lines) + "\n}\n").encode())

    @classmethod
    def load(cls, folder: epath.PathLike) -> "Manifest":
        """Read manifest.json from a folder or URL.

        Raises:
          DataError: it is absent, damaged, or of another schema version.
        """
        import pydantic

        path = absolute(folder) / MANIFEST
        if not path.exists():
            raise DataError(
                f"no {MANIFEST} in {folder}: not a prepared data set, or one never finished; prepare it first"
            )
        again = "prepare the data set again"
        try:
            document = json.loads(path.read_bytes())
            schema, digest = document["schema"], document.pop("digest")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is damaged ({error}); {again}") from error
        if schema != SCHEMA:
            raise DataError(f"{path} has schema version {schema}; this program reads {SCHEMA}; {again}")
        if digest != _digest(document):
            raise DataError(f"{path} is damaged (its digest does not match); {again}")
        try:
            return pydantic.TypeAdapter(cls).validate_python(document)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(f"{path} is damaged ({where}: {first['msg']}); {again}") from error


def _digest(fields: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
