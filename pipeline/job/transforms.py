"""The Beam graph of `prepare`, around the steps of a `Job`. Imports Beam.

batches -> decode -> Staged -+-> hold_out -> Holdout ----------------------+
                             |      |                                      |
                             +------+-> FitWhitener -> path of whitener ---+-> WriteShards -> Shard -> write_report
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton

from kerneldistill.pipeline.job.batch import Staged
from kerneldistill.pipeline.job.combine import SumFn
from kerneldistill.pipeline.job.failure import reported
from kerneldistill.pipeline.job.holdout import Holdout
from kerneldistill.pipeline.job.steps import Job
from kerneldistill.pipeline.storage.shard import Shard
from kerneldistill.pipeline.whitening.whitener import Whitener

# A PCollection. Beam types `|` as returning a PValue, which its own views then refuse.
Collection = Any


class Prepare(beam.PTransform):
    """Every `Batch` of a source -> whitener, shards and report in the staging folder; yields None, once."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def expand(self, input_or_inputs: Collection) -> Collection:
        job, batches = self._job, input_or_inputs
        staged: Collection = batches | "Deal" >> beam.Reshuffle() | "Decode" >> beam.Map(job.decode)
        holdout: Collection = staged | "All" >> beam.combiners.ToList() | "HoldOut" >> beam.Map(job.hold_out)
        whitener: Collection = holdout | "FitWhitener" >> FitWhitener(job, staged)
        write = beam.ParDo(WriteShards(job), AsSingleton(holdout), AsSingleton(whitener))
        shards: Collection = staged | "DealAgain" >> beam.Reshuffle() | "Write" >> write
        return shards | "AllShards" >> beam.combiners.ToList() | "Report" >> beam.Map(job.write_report, AsList(staged))


class FitWhitener(beam.PTransform):
    """One `Holdout` -> path of the whitener's file, fitted on the training images of all `Staged`."""

    def __init__(self, job: Job, staged: Collection) -> None:
        super().__init__()
        self._job = job
        self._staged = staged

    def expand(self, input_or_inputs: Collection) -> Collection:
        job, holdout = self._job, input_or_inputs
        moments = scatter = None
        train: Collection = self._staged | "Train" >> beam.FlatMap(job.train_batch, AsSingleton(holdout))
        if job.whitening.passes >= 1:
            moments = AsSingleton(train | "Moments" >> beam.CombineGlobally(SumFn(job.moments, job.staging)))
        if job.whitening.passes >= 2:
            # Beam combines before it shuffles only without side inputs: the moments travel with each batch instead.
            pairs: Collection = train | "WithMoments" >> beam.Map(lambda batch, moments: (batch, moments), moments)
            scatter = AsSingleton(pairs | "Scatter" >> beam.CombineGlobally(SumFn(job.scatter, job.staging)))
        return holdout | "Fit" >> beam.Map(job.fit, moments, scatter)


class WriteShards(beam.DoFn):
    """`Staged` -> `Shard`. Reads the whitener's file once, not once for each element."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._whitener: Whitener | None = None

    def process(self, staged: Staged, holdout: Holdout, path: str) -> Iterator[Shard]:
        with reported(self._job.staging):
            if self._whitener is None:
                self._whitener = Whitener.load(self._job.staging / path)
            yield from self._job.write_shards(staged, holdout, self._whitener)
