"""The stages of `prepare` as Beam transforms. This module imports Beam; the arithmetic is in modules that do not.

    Batch -> Decode -> Staged -+-> Draw -> Drawn ----------------------+
                               |     |                                 |
                               +-> FitWhitener (moments, scatter) -----+-> Whiten -> Shard
    (every Staged, every Shard) -> Summarise -> report.json

Elements are ranges and small arrays; images go through files in the staging folder, so that no runner has to hold them.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
from etils import epath

from pipeline.batch import Batch, Staged, read_raw, stage
from pipeline.config import DataConfig
from pipeline.draw import draw_validation
from pipeline.errors import DataError
from pipeline.failure import reported
from pipeline.manifest import SPLITS, WHITENER
from pipeline.moments import ChannelMoments, Scatter, unit_images
from pipeline.record import BadRecord
from pipeline.report import Report
from pipeline.shard import Shard, ShardImages, write_shard
from pipeline.source import Source
from pipeline.whiten import Whitener, channel_whitener, identity_whitener, zca_whitener

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What every stage knows.

    source: where the examples come from
    config: the configuration
    staging: folder that all workers share
    fingerprint: hex digest of data and configuration
    """

    source: Source
    config: DataConfig
    staging: epath.Path
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Drawn:
    """The validation draw.

    held_out: bool [n] for each train batch, in order: whether an image is for validation
    """

    held_out: tuple[np.ndarray, ...]

    @property
    def num_train(self) -> int:
        """Images left for training."""
        return sum(int((~mask).sum()) for mask in self.held_out)


@dataclass(frozen=True, eq=False)
class TrainBatch:
    """The training images of a batch.

    batch: the range
    rows: int [m] which of its good images are for training
    """

    batch: Batch
    rows: np.ndarray


class Decode(beam.PTransform):
    """`Batch` -> `Staged`: reads and decodes every batch once."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        return batches | beam.Reshuffle() | beam.Map(_decode, self._job)


class Draw(beam.PTransform):
    """All `Staged` -> one `Drawn`. Stops the job when too many records were bad."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def expand(self, staged: beam.PCollection) -> beam.PCollection:
        return staged | beam.combiners.ToList() | beam.Map(_draw, self._job)


class FitWhitener(beam.PTransform):
    """One `Drawn` and all `Staged` -> the path of the fitted whitener, whose file is then whole."""

    def __init__(self, job: Job, staged: beam.PCollection) -> None:
        super().__init__()
        self._job = job
        self._staged = staged

    def expand(self, drawn: beam.PCollection) -> beam.PCollection:
        job = self._job
        if job.config.whiten == "none":
            return drawn | beam.Map(_fit_identity, job)
        train = self._staged | "Train" >> beam.FlatMap(_train_batch, beam.pvalue.AsSingleton(drawn))
        moments = train | "Moments" >> beam.CombineGlobally(MomentsFn(job))
        standard = drawn | "Standard" >> beam.Map(_fit_standard, beam.pvalue.AsSingleton(moments), job)
        if job.config.whiten == "standard":
            return standard | "Save" >> beam.Map(_save, job)
        scatter = (
            train
            | "Attach" >> beam.Map(_attach, beam.pvalue.AsSingleton(standard))
            | "Scatter" >> beam.CombineGlobally(ScatterFn(job))
        )
        return standard | "Zca" >> beam.Map(_fit_zca, beam.pvalue.AsSingleton(scatter), job)


class Whiten(beam.PTransform):
    """`Staged` -> `Shard`: whitens every batch and writes its shards (train and validation, or test)."""

    def __init__(self, job: Job, drawn: beam.PCollection, whitener: beam.PCollection) -> None:
        super().__init__()
        self._job = job
        self._drawn = drawn
        self._whitener = whitener

    def expand(self, staged: beam.PCollection) -> beam.PCollection:
        sides = beam.pvalue.AsSingleton(self._drawn), beam.pvalue.AsSingleton(self._whitener)
        return staged | beam.Reshuffle() | beam.ParDo(_WhitenFn(self._job), *sides)


class Summarise(beam.PTransform):
    """All `Shard` -> the report file, with the bad records of all `Staged`."""

    def __init__(self, job: Job, staged: beam.PCollection) -> None:
        super().__init__()
        self._job = job
        self._staged = staged

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        bad = beam.pvalue.AsList(self._staged | "Bad" >> beam.Map(_bad))
        return shards | "Shards" >> beam.combiners.ToList() | "Report" >> beam.Map(_report, bad, self._job)


class MomentsFn(beam.CombineFn):
    """`TrainBatch` -> `ChannelMoments`."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def create_accumulator(self) -> ChannelMoments:
        return ChannelMoments.zero(self._job.source.image_shape[2])

    def add_input(self, moments: ChannelMoments, train: TrainBatch) -> ChannelMoments:
        return moments.merge(ChannelMoments.of(_train_images(train, self._job)))

    def merge_accumulators(self, accumulators: Iterable[ChannelMoments]) -> ChannelMoments:
        merged = self.create_accumulator()
        for moments in accumulators:
            merged = merged.merge(moments)
        return merged

    def extract_output(self, moments: ChannelMoments) -> ChannelMoments:
        return moments


class ScatterFn(beam.CombineFn):
    """(`TrainBatch`, standard `Whitener`) -> `Scatter`. An accumulator, 75 MB at 32x32x3, is None until its first."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def create_accumulator(self) -> Scatter | None:
        return None

    def add_input(self, scatter: Scatter | None, element: tuple[TrainBatch, Whitener]) -> Scatter:
        train, standard = element
        with reported(self._job.staging):
            images = standard.standardise(_train_images(train, self._job))
            added = Scatter.of(unit_images(images.reshape(len(images), -1)))
            _log.info("covariance of train batch %d", train.batch.index)
            return added if scatter is None else scatter.merge(added)

    def merge_accumulators(self, accumulators: Iterable[Scatter | None]) -> Scatter | None:
        merged = None
        with reported(self._job.staging):
            for scatter in accumulators:
                if scatter is not None:
                    merged = scatter if merged is None else merged.merge(scatter)
        return merged

    def extract_output(self, scatter: Scatter | None) -> Scatter | None:
        return scatter


class _WhitenFn(beam.DoFn):
    """`Staged` -> `Shard`. Reads the whitener's file once, not once for each element."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._whitener: Whitener | None = None

    def process(self, staged: Staged, drawn: Drawn, whitener: str) -> Iterator[Shard]:
        job, batch = self._job, staged.batch
        with reported(job.staging):
            if self._whitener is None:
                self._whitener = Whitener.load(job.staging / whitener)
            raw = read_raw(job.staging, batch)
            whitened = self._whitener.apply(raw.images)
            if batch.role == "train":
                held_out = drawn.held_out[batch.index]
                parts = {"train": ~held_out, "validation": held_out}
            else:
                parts = {"test": np.ones(len(raw.labels), bool)}
            for split, rows in parts.items():
                if rows.any():
                    content = ShardImages(raw.keys[rows].tolist(), whitened[rows], raw.labels[rows])
                    yield write_shard(job.staging, split, batch.index, content, len(job.source.class_names))
        _log.info("wrote %s batch %d", batch.role, batch.index)


def _decode(batch: Batch, job: Job) -> Staged:
    with reported(job.staging):
        staged = stage(job.source, batch, job.config.seed, job.staging)
    _log.info("decoded %s %d..%d: %d bad", batch.split, batch.start, batch.stop, len(staged.bad))
    return staged


def _draw(everything: list[Staged], job: Job) -> Drawn:
    with reported(job.staging):
        _check_bad(everything, job)
        train = sorted((staged for staged in everything if staged.batch.role == "train"), key=lambda s: s.batch.index)
        held_out = draw_validation(
            np.concatenate([staged.labels for staged in train]),
            np.concatenate([staged.ranks for staged in train]),
            len(job.source.class_names),
            job.config.validation_fraction,
        )
        return Drawn(tuple(np.split(held_out, np.cumsum([len(staged.labels) for staged in train])[:-1])))


def _check_bad(everything: list[Staged], job: Job) -> None:
    bad = [record for staged in everything for record in staged.bad]
    num_in = sum(staged.batch.stop - staged.batch.start for staged in everything)
    allowed = job.config.max_bad_fraction
    if len(bad) > allowed * num_in:
        examples = "; ".join(f"{record.key}: {record.reason}" for record in sorted(bad)[:3])
        raise DataError(
            f"{len(bad)} of {num_in} records of {job.source.name} are bad ({examples}); allowed: {allowed} of them; "
            "repair the data set or raise max_bad_fraction"
        )
    for role in ("train", "test"):
        if not any(len(staged.labels) for staged in everything if staged.batch.role == role):
            raise DataError(f"{job.source.name} has no usable image to {role} on; check its {role} split")


def _train_batch(staged: Staged, drawn: Drawn) -> Iterator[TrainBatch]:
    if staged.batch.role == "train":
        yield TrainBatch(staged.batch, np.flatnonzero(~drawn.held_out[staged.batch.index]))


def _train_images(train: TrainBatch, job: Job) -> np.ndarray:
    return read_raw(job.staging, train.batch).images[train.rows]


def _fit_identity(_: Drawn, job: Job) -> str:
    return _save(identity_whitener(job.source.image_shape, job.fingerprint), job)


def _fit_standard(drawn: Drawn, moments: ChannelMoments, job: Job) -> Whitener:
    return channel_whitener(moments, job.source.image_shape, drawn.num_train, job.fingerprint)


def _attach(train: TrainBatch, standard: Whitener) -> tuple[TrainBatch, Whitener]:
    return train, standard


def _fit_zca(standard: Whitener, scatter: Scatter, job: Job) -> str:
    _log.info("eigenvectors of the covariance, %d x %d", *scatter.total.shape)
    with reported(job.staging):
        return _save(zca_whitener(standard, scatter, job.config.zca_reg), job)


def _save(whitener: Whitener, job: Job) -> str:
    whitener.save(job.staging / WHITENER)
    return WHITENER


def _bad(staged: Staged) -> tuple[Batch, tuple[BadRecord, ...]]:
    return staged.batch, staged.bad


def _report(shards: list[Shard], bad: list[tuple[Batch, tuple[BadRecord, ...]]], job: Job) -> None:
    in_order = sorted(bad, key=lambda pair: (pair[0].role != "train", pair[0].index))
    records = tuple(record for _, batch_bad in in_order for record in batch_bad)
    Report(tuple(sorted(shards, key=lambda shard: (SPLITS.index(shard.split), shard.index))), records).save(job.staging)
