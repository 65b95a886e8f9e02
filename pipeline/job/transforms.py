"""The stages of `prepare` as Beam transforms around the functions of `steps`. Imports Beam.

Batch -> Decode -> Staged -+-> Draw -> Drawn -----------------------------+
                           |     |                                        |
                           +-----+-> FitWhitener -> path of the whitener -+-> Whiten -> Shard -> Summarise
"""

import logging
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton

from kerneldistill.pipeline.job import steps
from kerneldistill.pipeline.job.batch import Batch, Staged, stage
from kerneldistill.pipeline.job.combine import MomentsFn, ScatterFn
from kerneldistill.pipeline.job.failure import reported
from kerneldistill.pipeline.job.steps import Drawn, Job, TrainBatch
from kerneldistill.pipeline.storage.shard import Shard
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Scatter
from kerneldistill.pipeline.whitening.whitener import Whitener

_log = logging.getLogger(__name__)


class Decode(beam.PTransform):
    """`Batch` -> `Staged`: reads and decodes every batch, once."""

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
    """One `Drawn` and all `Staged` -> path of the whitener's file, whole, in the staging folder."""

    def __init__(self, job: Job, staged: beam.PCollection) -> None:
        super().__init__()
        self._job = job
        self._staged = staged

    def expand(self, drawn: beam.PCollection) -> beam.PCollection:
        job = self._job
        if job.config.whiten == "none":
            return drawn | beam.Map(_fit_none, job)
        train = self._staged | "Train" >> beam.FlatMap(steps.train_batch, AsSingleton(drawn))
        moments = train | "Moments" >> beam.CombineGlobally(MomentsFn(job))
        standard = drawn | "Standard" >> beam.Map(_fit_standard, AsSingleton(moments), job)
        if job.config.whiten == "standard":
            return standard | "Save" >> beam.Map(_save, job)
        # Beam combines before it shuffles only without side inputs: the whitener travels with the element instead.
        together = train | "Together" >> beam.Map(_together, AsSingleton(standard))
        scatter = together | "Scatter" >> beam.CombineGlobally(ScatterFn(job))
        return standard | "Zca" >> beam.Map(_fit_zca, AsSingleton(scatter), job)


class Whiten(beam.PTransform):
    """`Staged` -> `Shard`: whitens every batch and writes its shards."""

    def __init__(self, job: Job, drawn: beam.PCollection, whitener: beam.PCollection) -> None:
        super().__init__()
        self._job = job
        self._drawn = drawn
        self._whitener = whitener

    def expand(self, staged: beam.PCollection) -> beam.PCollection:
        write = beam.ParDo(_WriteFn(self._job), AsSingleton(self._drawn), AsSingleton(self._whitener))
        return staged | beam.Reshuffle() | write


class Summarise(beam.PTransform):
    """All `Shard` and all `Staged` -> the report file."""

    def __init__(self, job: Job, staged: beam.PCollection) -> None:
        super().__init__()
        self._job = job
        self._staged = staged

    def expand(self, shards: beam.PCollection) -> beam.PCollection:
        return shards | beam.combiners.ToList() | beam.Map(_report, AsList(self._staged), self._job)


class _WriteFn(beam.DoFn):
    """`Staged` -> `Shard`. Reads the whitener's file once, not once for each element."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._whitener: Whitener | None = None

    def process(self, staged: Staged, drawn: Drawn, path: str) -> Iterator[Shard]:
        with reported(self._job.staging):
            if self._whitener is None:
                self._whitener = Whitener.load(self._job.staging / path)
            yield from steps.write_shards(self._job, staged, drawn, self._whitener)


def _decode(batch: Batch, job: Job) -> Staged:
    with reported(job.staging):
        staged = stage(job.source, batch, job.config, job.staging)
    _log.info("decoded %s %d to %d: %d bad", batch.split, batch.start, batch.stop - 1, len(staged.bad))
    return staged


def _draw(everything: list[Staged], job: Job) -> Drawn:
    with reported(job.staging):
        return steps.draw(job, everything)


def _fit_none(_: Drawn, job: Job) -> str:
    return steps.save_whitener(job, steps.fit_none(job))


def _fit_standard(drawn: Drawn, moments: ChannelMoments, job: Job) -> Whitener:
    return steps.fit_standard(job, drawn, moments)


def _together(train: TrainBatch, standard: Whitener) -> tuple[TrainBatch, Whitener]:
    return train, standard


def _fit_zca(standard: Whitener, scatter: Scatter, job: Job) -> str:
    with reported(job.staging):
        return steps.save_whitener(job, steps.fit_zca(job, standard, scatter))


def _save(whitener: Whitener, job: Job) -> str:
    return steps.save_whitener(job, whitener)


def _report(shards: list[Shard], everything: list[Staged], job: Job) -> None:
    steps.write_report(job, shards, everything)
