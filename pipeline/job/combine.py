"""Beam's `CombineFn`s for the sums of the fit. Imports Beam. Both merge exactly, so Beam may bundle as it likes."""

from collections.abc import Iterable

import apache_beam as beam

from kerneldistill.pipeline.job.failure import reported
from kerneldistill.pipeline.job.steps import Job, TrainBatch, moments_of, scatter_of
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Scatter
from kerneldistill.pipeline.whitening.whitener import Whitener


class MomentsFn(beam.CombineFn):
    """`TrainBatch` -> `ChannelMoments`."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def create_accumulator(self) -> ChannelMoments:
        return ChannelMoments.zero(self._job.source.image_shape[2])

    def add_input(self, moments: ChannelMoments, train: TrainBatch) -> ChannelMoments:
        return moments.merge(moments_of(self._job, train))

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
        with reported(self._job.staging):
            added = scatter_of(self._job, *element)
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
