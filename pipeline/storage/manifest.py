"""`Manifest`: what a prepared data set holds, with a digest of every file. It is written last: without it, no set."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Interval, Len, Predicate
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.storage.files import absolute, write_whole
from kerneldistill.pipeline.storage.shard import MAX_SHRINKING, Shard, SplitName
from kerneldistill.pipeline.storage.statistics import Statistics
from kerneldistill.pipeline.titles import titled
from kerneldistill.pipeline.untrusted.document import read_as, read_json
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.limits import MAX_PREPARED_SIDE
from kerneldistill.pipeline.untrusted.names import Digest, Name, Names, RelativePath, Whole, is_relative

SCHEMA = 2
MANIFEST = "manifest.json"
WHITENER = "whitener.npz"
PROBE = "probe.npy"
DEAD_LETTER = "dead_letter.jsonl"
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


Side = Annotated[int, Interval(ge=1, le=MAX_PREPARED_SIDE)]
# Of the manifest: a line for each shard.
_MAX_BYTES = 1 << 27


def _is_root(text: str) -> bool:
    return not text or is_relative(text)


@dataclass(frozen=True)
class File:
    """A file that is not a shard.

    path: relative to the prepared data set
    bytes: size of the file
    sha256: hex digest of the file
    """

    path: RelativePath
    bytes: Whole
    sha256: Digest


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

    name: Name
    version: Name
    source_format: Name
    image_shape: tuple[Side, Side, Side]
    class_names: Annotated[Names, Len(1)]
    class_counts: Mapping[str, tuple[Whole, ...]]
    num_in: Whole
    num_bad: Whole
    shards: tuple[Shard, ...]
    files: tuple[File, ...]
    source_fingerprint: Name
    fingerprint: Name
    versions: Mapping[Name, Name]
    config: DataConfig
    pipeline_options: tuple[str, ...]
    statistics: Mapping[str, Statistics] = field(default_factory=dict)
    root: Annotated[str, Predicate(_is_root)] = ""
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
        return f"{titled(self.name, self.version)}, {counts} images of {shape}, {whitened}, {self.num_bad} bad"

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
        path = absolute(folder) / MANIFEST
        if not path.exists():
            raise DataError(
                f"no {MANIFEST} in {folder}: not a prepared data set, or one never finished; kdistill prepare makes it"
            )
        again = "prepare the data set again"
        document = read_json(read_bounded(path, _MAX_BYTES), str(path))
        try:
            schema, digest = document["schema"], document.pop("digest")
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is damaged ({error}); {again}") from error
        if schema != SCHEMA:
            raise DataError(f"{path} has schema version {schema!r:.20}; this program reads {SCHEMA}; {again}")
        if digest != _digest(document):
            raise DataError(f"{path} is damaged (its digest does not match); {again}")
        manifest = read_as(cls, json.dumps(document).encode(), str(path), again)
        if (fault := manifest.contradiction()) is not None:
            raise DataError(f"{path} is damaged ({fault}); {again}")
        return manifest

    def contradiction(self) -> str | None:
        """Return what in the manifest contradicts itself, in words; None if nothing does."""
        k, sizes = len(self.class_names), dict.fromkeys(SPLITS, 0)
        if {*self.class_counts} != {*SPLITS} or any(len(counts) != k for counts in self.class_counts.values()):
            return f"class_counts are not of {k} classes in {', '.join(SPLITS)}"
        if not {*self.statistics} <= {*SPLITS}:
            return f"statistics are not of {', '.join(SPLITS)}"
        if {file.path for file in self.files} != {WHITENER, PROBE, DEAD_LETTER}:
            return f"files are not {WHITENER}, {PROBE} and {DEAD_LETTER}"
        measured = [*self.statistics.values(), *(shard.statistics for shard in self.shards)]
        if any(found.channels != self.image_shape[2] for found in measured):
            return f"statistics are not of {self.image_shape[2]} channels"
        for shard in self.shards:
            if len(shard.class_counts) != k:
                return f"{shard.path} is of other classes"
            sizes[shard.split] += sum(shard.class_counts)
        if self.shards and any(sizes[split] != self.count(split) for split in SPLITS):
            return "class_counts are not those of the shards"
        held = 4 * math.prod(self.image_shape) * sum(sizes.values())
        if held > MAX_SHRINKING * sum(shard.bytes for shard in self.shards):
            return f"its images take {held:,} bytes, more than {MAX_SHRINKING} times its shards"
        return None


def _digest(fields: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
