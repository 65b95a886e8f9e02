"""`find_problems`: check all that can be checked of a prepared data set. Needs neither Beam nor TFDS.

`load` checks digests. This goes further: it compares every image with the manifest, whitens the probe again, and finds
files that do not belong.
"""

from collections.abc import Iterator
from dataclasses import astuple

import numpy as np
from etils import epath

from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.prepared import check_file, read_probe, read_whitener
from kerneldistill.pipeline.storage.files import absolute, names_below
from kerneldistill.pipeline.storage.fingerprint import fingerprint_of
from kerneldistill.pipeline.storage.manifest import DEAD_LETTER, MANIFEST, PROBE, SPLITS, WHITENER, Manifest
from kerneldistill.pipeline.storage.shard import Shard, fault_of, read_shard
from kerneldistill.pipeline.storage.statistics import Statistics
from kerneldistill.pipeline.untrusted.document import read_json
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.names import printable

# Of statistics: sums of equal numbers, perhaps by another numpy.
_TOLERANCE = 1e-6
# Of whitened pixels, perhaps by another BLAS.
_PROBE_TOLERANCE = 1e-4


def verify(path: epath.PathLike) -> Manifest:
    """Check everything about the prepared data set at a folder (str or Path) or URL, and return its manifest.

    Raises:
      DataError: there is none, or something is wrong with it; the message names the first problem.
    """
    for problem in find_problems(path):
        raise DataError(problem)
    return Manifest.load(absolute(path))


def find_problems(path: epath.PathLike) -> Iterator[str]:
    """Yield what is wrong with the prepared data set at `path`, one complete line each.

    Raises:
      DataError: there is none, or its manifest cannot be read.
    """
    path = absolute(path)
    manifest = Manifest.load(path)
    folder = manifest.folder(path)
    damaged = False
    for file in (*manifest.files, *manifest.shards):
        try:
            check_file(folder, file)
        except DataError as error:
            damaged = True
            yield str(error)
    yield from _unlisted_files(path, manifest)
    yield from _counts(manifest)
    # What follows reads the files, and would only repeat that they are damaged.
    if not damaged:
        for shard in manifest.shards:
            yield from _told(_shard(folder, manifest, shard))
        yield from _told(_dead_letters(folder, manifest))
        yield from _told(_probe(folder, manifest))


def _told(problems: Iterator[str]) -> Iterator[str]:
    """Yield the problems, and the one that ends the search for them."""
    try:
        yield from problems
    except DataError as error:
        yield str(error)


def _unlisted_files(path: epath.Path, manifest: Manifest) -> Iterator[str]:
    """Find files that the manifest does not list."""
    prefix = f"{manifest.root}/" if manifest.root else ""
    known = {MANIFEST, *(prefix + file.path for file in (*manifest.files, *manifest.shards))}
    for name in sorted(set(names_below(path)) - known):
        yield f"{path / printable(name)} is not of this data set; remove it"


def _counts(manifest: Manifest) -> Iterator[str]:
    """Compare numbers of the manifest that must agree with each other."""
    again = "prepare the data set again"
    expected = fingerprint_of(manifest.config, manifest.source_fingerprint)
    if manifest.fingerprint != expected:
        yield f"{MANIFEST}: the fingerprint is not that of its source and configuration; {again}"
    num_out = sum(manifest.count(split) for split in SPLITS)
    if num_out + manifest.num_bad != manifest.num_in:
        yield f"{MANIFEST}: {manifest.num_in} records in, {num_out} out, {manifest.num_bad} bad; {again}"
    for split in SPLITS:
        shards = [shard for shard in manifest.shards if shard.split == split]
        counts = np.sum([shard.class_counts for shard in shards], axis=0).tolist() if shards else None
        if counts and tuple(counts) != manifest.class_counts[split]:
            yield f"{MANIFEST}: the classes of {split} are not those of its shards; {again}"
        merged = Statistics.merge([shard.statistics for shard in shards]) if shards else None
        if merged and not _alike(merged, manifest.statistics.get(split)):
            yield f"{MANIFEST}: the statistics of {split} are not those of its shards; {again}"


def _shard(folder: epath.Path, manifest: Manifest, shard: Shard) -> Iterator[str]:
    """Compare the images with what the manifest says of them."""
    path = folder / shard.path
    content = read_shard(path, shard.unpacked(manifest.image_shape))
    if (fault := fault_of(content, shard, manifest.image_shape)) is not None:
        yield f"{path}: {fault}"
    elif not _alike(Statistics.of(content.images), shard.statistics):
        yield f"{path}: statistics of its images are not those of the manifest"


def _dead_letters(folder: epath.Path, manifest: Manifest) -> Iterator[str]:
    lines = read_bounded(folder / DEAD_LETTER).splitlines()
    found = [read_json(line, f"{folder / DEAD_LETTER} line {number}") for number, line in enumerate(lines, 1)]
    if len(lines) != manifest.num_bad or not all(
        isinstance(line, dict) and {"key", "reason", "sha256"} <= {*line} for line in found
    ):
        yield f"{folder / DEAD_LETTER} has {len(lines)} lines, the manifest says {manifest.num_bad} bad records"


def _probe(folder: epath.Path, manifest: Manifest) -> Iterator[str]:
    """Whiten the raw images of the probe again, and compare them with what was written."""
    probe, whitener = read_probe(folder, manifest), read_whitener(folder, manifest)
    if whitener.data_fingerprint != manifest.fingerprint:
        yield f"{folder / WHITENER} is of another data set or whitening"
        return
    first = next((shard for shard in manifest.shards if shard.split == "test"), None)
    if first is None:
        return
    written = read_shard(folder / first.path, first.unpacked(manifest.image_shape)).images[: len(probe)]
    again = whitener.apply(probe[: len(written)])
    if again.shape != written.shape or np.abs(again - written).max() > _PROBE_TOLERANCE * np.abs(written).max():
        yield f"{folder / PROBE}: its images, whitened again, are not the first test images"


def _alike(left: Statistics, right: Statistics | None) -> bool:
    if right is None or left.num_pixels != right.num_pixels:
        return False
    pairs = zip(astuple(left)[1:], astuple(right)[1:], strict=True)
    return all(np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE) for one, other in pairs)
