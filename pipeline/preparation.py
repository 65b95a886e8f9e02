"""`prepare`: read a data set, split it, fit the whitening on train, and write whitened shards. A Beam pipeline.

The same source and configuration give the same files, byte for byte, on any runner with any number of workers: batches
are fixed ranges of the source, the draw is a hash of names, the sums of the fit are integers, and a shard depends on
its batch and the whitener only. (Float products and eigenvectors are those of the machine's BLAS: another processor, or
another number of BLAS threads, may round the last bits of `kip_zca` differently.)
"""

import importlib.metadata
import json
import logging
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from etils import epath

from kerneldistill.pipeline.chatter import muffled
from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.job.batch import ROLES, plan, ranges_of, read_raw
from kerneldistill.pipeline.job.beam_import import import_beam
from kerneldistill.pipeline.job.failure import raised_here
from kerneldistill.pipeline.job.options import DEFAULT_RUNNER, check_options
from kerneldistill.pipeline.job.report import REPORT, Report
from kerneldistill.pipeline.job.steps import Job
from kerneldistill.pipeline.job.watch import Told, watched
from kerneldistill.pipeline.prepared import check_files
from kerneldistill.pipeline.sources.classes import check_classes
from kerneldistill.pipeline.sources.detection import detected
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.storage.files import fsync, is_remote, sha256, whole, write_whole
from kerneldistill.pipeline.storage.fingerprint import fingerprint_of
from kerneldistill.pipeline.storage.manifest import DEAD_LETTER, MANIFEST, PROBE, SPLITS, WHITENER, File, Manifest
from kerneldistill.pipeline.storage.output import open_output
from kerneldistill.pipeline.storage.statistics import Statistics
from kerneldistill.pipeline.whitening.whitening import whitening_of

_log = logging.getLogger(__name__)
_LIBRARIES = ("apache-beam", "array-record", "numpy", "pillow", "scikit-learn", "tensorflow-datasets")
_PROBE_IMAGES = 8


@dataclass(frozen=True)
class Identity:
    """What a prepared data set will be, before anything is read of it but the digest of its source.

    source: of the examples
    config: with the source's version
    source_fingerprint: hex digest of the source's content
    fingerprint: hex digest of that and the configuration: equal fingerprints, equal files
    """

    source: Source
    config: DataConfig
    source_fingerprint: str
    fingerprint: str


def identify(config: DataConfig) -> Identity:
    """Say what `prepare` would make of `config`.

    Raises:
      DataError: a mistake in the settings, or a source that cannot be read.
    """
    config = detected(config)
    source = open_source(config)
    check_classes(source.class_names, source.name)
    config = replace(config, version=source.version)
    whitening_of(config.whiten).check(source.image_shape, config.zca_block)
    used = {part.split for role in ROLES for part in ranges_of(config, source, role)}
    source_fingerprint = source.fingerprint(sorted(used))
    return Identity(source, config, source_fingerprint, fingerprint_of(config, source_fingerprint))


def prepare(
    config: DataConfig | Identity,
    out: epath.PathLike,
    pipeline_options: Sequence[str] = (),
    overwrite: bool = False,
    told: Told | None = None,
) -> Manifest:
    """Read a data set, whiten it, and write it to `out`.

    A complete output of the same data and configuration is checked and kept; a damaged one is built anew beside it and
    takes its place at the end in one step. A failure or a kill before that leaves what was there.

    Example:
      prepare(DataConfig(whiten="kip_zca"), "prepared/digits")

    Args:
      config: what to read and how to split and whiten it, or what `identify` made of that
      out: folder (str or Path) or URL (gs://, s3://) to write; every worker must see it under this path
      pipeline_options: Beam options, `name=value` each; without `runner=` Beam's in-memory FnApiRunner in this process
      overwrite: replace a data set that was made from other data or another configuration
      told: called now and then, in another thread, with the images it is done with, what goes on, and all there are

    Returns:
      The manifest of the prepared data set.

    Raises:
      DataError: a mistake in the arguments, a source that cannot be read, too many bad records, classes of which
        nothing can be learned, or another data set at `out`.
    """
    options = check_options(pipeline_options) if pipeline_options else (f"--runner={DEFAULT_RUNNER}",)
    output = open_output(out)
    found = config if isinstance(config, Identity) else identify(config)
    with output.sole_writer():
        if (kept := complete(output.path, found.fingerprint, overwrite)) is not None:
            _log.info("%s is complete: nothing to do", output.path)
            return kept
        with output.staging(found.fingerprint) as staging:
            job = Job(found.source, found.config, staging, found.source_fingerprint, found.fingerprint)
            report = _run(job, options, told)
            return output.publish(staging, _finish(job, report, options))


def complete(out: epath.Path, fingerprint: str, overwrite: bool) -> Manifest | None:
    """Load the manifest of `out` if it has this fingerprint and every file is as it was written; None if it is not.

    Raises:
      DataError: it is of another data set, which nobody asked to overwrite.
    """
    if not (out / MANIFEST).exists():
        return None
    try:
        manifest = Manifest.load(out)
    except DataError as error:
        _log.warning("%s: preparing anew", error)
        return None
    if manifest.fingerprint != fingerprint:
        if not overwrite:
            raise DataError(
                f"output {out} holds {manifest.summary()}, made from other data or another configuration: give another "
                "folder, or --overwrite to replace it"
            )
        return None
    try:
        check_files(manifest.folder(out), manifest)
    except DataError as error:
        _log.warning("%s: preparing anew", error)
        return None
    return manifest


def _run(job: Job, options: Sequence[str], told: Told | None) -> Report:
    """Run the Beam graph, which leaves the whitener and the shards in the staging folder."""
    beam = import_beam()
    from apache_beam.options.pipeline_options import PipelineOptions

    from kerneldistill.pipeline.job.transforms import Prepare

    if not is_remote(job.staging):
        for folder in ("raw", "shards"):
            (job.staging / folder).mkdir()
    batches = [batch for role in ROLES for batch in plan(job.config, job.source, role)]
    pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
    pipeline | "Batches" >> beam.Create(batches) | "Prepare" >> Prepare(job)
    with watched(job.staging, batches, told), muffled(), raised_here(job.staging):
        state = pipeline.run().wait_until_finish()
        if not (job.staging / REPORT).exists():
            raise RuntimeError(f"the Beam job ended in state {state} without a report; see the runner's log")
    return Report.take(job.staging)


def _finish(job: Job, report: Report, options: tuple[str, ...]) -> Manifest:
    """Turn the staging folder into a prepared data set: write the small files, then make the manifest."""
    source, config, staging = job.source, job.config, job.staging
    lines = [json.dumps(record._asdict()) + "\n" for record in report.bad]
    write_whole(staging / DEAD_LETTER, "".join(lines).encode())
    with whole(staging / PROBE) as temporary, open(temporary, "wb") as file:
        np.save(file, _probe(job))
    (staging / "raw").rmtree()
    fsync(staging / "shards")
    manifest = Manifest(
        name=source.name,
        version=source.version,
        source_format=source.file_format,
        image_shape=source.image_shape,
        class_names=source.class_names,
        class_counts=_class_counts(job, report),
        num_in=sum(part.stop - part.start for role in ROLES for part in ranges_of(config, source, role)),
        num_bad=len(report.bad),
        shards=report.shards,
        files=tuple(_file(staging, name) for name in (WHITENER, PROBE, DEAD_LETTER)),
        source_fingerprint=job.source_fingerprint,
        fingerprint=job.fingerprint,
        versions={"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _LIBRARIES},
        config=config,
        pipeline_options=options,
        statistics={
            split: Statistics.merge([shard.statistics for shard in shards])
            for split in SPLITS
            if (shards := [shard for shard in report.shards if shard.split == split])
        },
    )
    num_out = sum(manifest.count(split) for split in SPLITS)
    if num_out + manifest.num_bad != manifest.num_in:
        raise RuntimeError(f"{manifest.num_in} records in, {num_out} out, {manifest.num_bad} bad: the runner lost some")
    return manifest


def _class_counts(job: Job, report: Report) -> dict[str, tuple[int, ...]]:
    counts = np.zeros((len(SPLITS), len(job.source.class_names)), np.int64)
    for shard in report.shards:
        counts[SPLITS.index(shard.split)] += shard.class_counts
    return {split: tuple(row.tolist()) for split, row in zip(SPLITS, counts, strict=True)}


def _file(staging: epath.Path, name: str) -> File:
    path = staging / name
    return File(name, path.stat().length, sha256(path))


def _probe(job: Job) -> np.ndarray:
    """Return the first good test images, raw: uint8 [8, h, w, c]."""
    probe = np.zeros((0, *job.source.image_shape), np.uint8)
    for batch in plan(job.config, job.source, "test"):
        probe = np.concatenate([probe, read_raw(job.staging, batch).images])[:_PROBE_IMAGES]
        if len(probe) == _PROBE_IMAGES:
            break
    return probe
