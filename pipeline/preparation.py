"""`prepare`: reads a data set, splits it, fits the whitening on train, and writes whitened shards. A Beam pipeline.

The same source and configuration give the same files, byte for byte, on any runner with any number of workers: batches
are fixed ranges of the source, the draw is a hash of names, the sums of the fit are integers, and a shard depends on
its batch and the whitener only. (Float products and eigenvectors are those of the machine's BLAS: another processor, or
another number of BLAS threads, may round the last bits of `kip_zca` differently.)
"""

import importlib.metadata
import json
import logging
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.job.batch import Batch, Role, plan, read_raw
from kerneldistill.pipeline.job.beam_import import import_beam
from kerneldistill.pipeline.job.failure import raised_here
from kerneldistill.pipeline.job.options import DEFAULT_RUNNER, check_options
from kerneldistill.pipeline.job.report import REPORT, Report
from kerneldistill.pipeline.job.steps import Job
from kerneldistill.pipeline.prepared import verify
from kerneldistill.pipeline.sources.ranges import Range, parse
from kerneldistill.pipeline.sources.source import Source, open_source
from kerneldistill.pipeline.storage.files import fsync, is_remote, sha256, whole, write_whole
from kerneldistill.pipeline.storage.fingerprint import fingerprint_of
from kerneldistill.pipeline.storage.manifest import DEAD_LETTER, MANIFEST, PROBE, SPLITS, WHITENER, File, Manifest
from kerneldistill.pipeline.storage.output import open_output
from kerneldistill.pipeline.storage.statistics import Statistics
from kerneldistill.pipeline.whitening.limits import check_size

_log = logging.getLogger(__name__)
_LIBRARIES = ("apache-beam", "array-record", "numpy", "pillow", "scikit-learn", "tensorflow-datasets")
_PROBE_IMAGES = 8


def prepare(config: DataConfig, out: epath.PathLike, pipeline_options: Sequence[str] = ()) -> Manifest:
    """Prepares a data set at `out`.

    A complete output of the same data and configuration is checked and kept. Anything else is built beside it and takes
    its place at the end in one step; a failure or a kill before that leaves what was there.

    Args:
      config: what to read and how to split and whiten it
      out: folder or URL (gs://, s3://) to write; every worker must see it under this path
      pipeline_options: Beam options, `name=value` each; without `runner=` Beam's in-memory FnApiRunner in this process

    Returns:
      The manifest of the prepared data set.

    Raises:
      DataError: a mistake in the arguments, a source that cannot be read, or too many bad records.
    """
    options = check_options(pipeline_options) if pipeline_options else (f"--runner={DEFAULT_RUNNER}",)
    output = open_output(out)
    output.clean_up()
    source = open_source(config)
    config = replace(config, version=source.version)
    check_size(source.image_shape, config)
    source_fingerprint = source.fingerprint(sorted({part.split for part in _ranges(config, source)}))
    fingerprint = fingerprint_of(config, source_fingerprint)
    if (kept := _complete(output.path, fingerprint)) is not None:
        _log.info("%s is complete: nothing to do", output.path)
        return kept
    with output.staging(fingerprint) as staging:
        job = Job(source, config, staging, source_fingerprint, fingerprint)
        report = _run(job, options)
        return output.publish(staging, _finish(job, report, options))


def _complete(out: epath.Path, fingerprint: str) -> Manifest | None:
    """The manifest of `out` when it has this fingerprint and every file is as it was written."""
    if not (out / MANIFEST).exists():
        return None
    try:
        manifest = Manifest.load(out)
        if manifest.fingerprint != fingerprint:
            _log.info("%s was made from other data or another configuration: preparing anew", out)
            return None
        verify(manifest.folder(out), manifest)
    except DataError as error:
        _log.warning("%s: preparing anew", error)
        return None
    return manifest


def _run(job: Job, options: Sequence[str]) -> Report:
    """Runs the Beam graph; whitener and shards are in the staging folder afterwards."""
    beam = import_beam()
    from apache_beam.options.pipeline_options import PipelineOptions

    from kerneldistill.pipeline.job.transforms import Decode, Draw, FitWhitener, Summarise, Whiten

    if not is_remote(job.staging):
        for folder in ("raw", "shards"):
            (job.staging / folder).mkdir()
    pipeline = beam.Pipeline(options=PipelineOptions(list(options)))
    staged = pipeline | "Batches" >> beam.Create([*_plan(job, "train"), *_plan(job, "test")]) | "Decode" >> Decode(job)
    drawn = staged | "Draw" >> Draw(job)
    whitener = drawn | "FitWhitener" >> FitWhitener(job, staged)
    shards = staged | "Whiten" >> Whiten(job, drawn, whitener)
    shards | "Summarise" >> Summarise(job, staged)
    with raised_here(job.staging):
        state = pipeline.run().wait_until_finish()
        if not (job.staging / REPORT).exists():
            raise RuntimeError(f"the Beam job ended in state {state} without a report; see the runner's log")
    return Report.take(job.staging)


def _plan(job: Job, role: Role) -> Iterator[Batch]:
    return plan(role, _ranges(job.config, job.source, (role,)), job.config.batch_size)


def _ranges(config: DataConfig, source: Source, roles: Sequence[Role] = ("train", "test")) -> list[Range]:
    """The examples of some roles."""
    texts = {"train": config.train_split, "test": config.test_split}
    return [part for role in roles for part in parse(texts[role], source.splits, source.name)]


def _finish(job: Job, report: Report, options: tuple[str, ...]) -> Manifest:
    """Turns the staging folder into a prepared data set: the small files, then the manifest."""
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
        num_in=sum(part.stop - part.start for part in _ranges(config, source)),
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
            split: Statistics.together([shard.statistics for shard in shards])
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
    """uint8 [8, h, w, c], the first good test images, raw."""
    probe = np.zeros((0, *job.source.image_shape), np.uint8)
    for batch in _plan(job, "test"):
        probe = np.concatenate([probe, read_raw(job.staging, batch).images])[:_PROBE_IMAGES]
        if len(probe) == _PROBE_IMAGES:
            break
    return probe
