"""The steps of `prepare`, one method of `Job` for each stage of the Beam graph. No Beam here: call each by itself.

Values between steps are small. Images go through files in the staging folder, so that no runner has to hold them.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.job.batch import Batch, Staged, read_raw, stage
from kerneldistill.pipeline.job.failure import reported
from kerneldistill.pipeline.job.holdout import Holdout, hold_out
from kerneldistill.pipeline.job.report import Report
from kerneldistill.pipeline.sources.classes import check_trained
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.storage.manifest import SPLITS, WHITENER
from kerneldistill.pipeline.storage.shard import Shard, ShardImages, SplitName, write_shard
from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Scatter
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import Sums, Whitening, whitening_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class TrainBatch:
    """The training images of a batch.

    batch: the range
    rows: bool [n] which of its good images are for training
    """

    batch: Batch
    rows: np.ndarray


@dataclass(frozen=True)
class Job:
    """One preparation: what every step knows, and the steps in their order.

    source: where the examples come from
    config: the configuration
    staging: folder that all workers share
    source_fingerprint: hex digest of the source's content
    fingerprint: hex digest of that and the configuration
    """

    source: Source
    config: DataConfig
    staging: epath.Path
    source_fingerprint: str
    fingerprint: str

    @property
    def whitening(self) -> Whitening:
        """The kind of whitening in the configuration."""
        return whitening_of(self.config.whiten)

    def decode(self, batch: Batch) -> Staged:
        """Read and decode a batch, once."""
        with reported(self.staging):
            staged = stage(self.source, batch, self.config, self.staging)
        _log.info("decoded %s %d to %d: %d bad", batch.split, batch.start, batch.stop - 1, len(staged.bad))
        return staged

    def hold_out(self, everything: Sequence[Staged]) -> Holdout:
        """Choose the validation images.

        Raises:
          DataError: more records were bad than allowed, or no image is left to train on, of each class, or to test on.
        """
        with reported(self.staging):
            self._check_bad(everything)
            labels = {
                role: np.concatenate([staged.labels for staged in everything if staged.batch.role == role])
                for role in ("train", "test")
            }
            check_trained(self.source.class_names, labels["train"], labels["test"], self.source.name)
        train = sorted((staged for staged in everything if staged.batch.role == "train"), key=lambda s: s.batch.index)
        held_out = hold_out(
            np.concatenate([staged.labels for staged in train]),
            np.concatenate([staged.ranks for staged in train]),
            len(self.source.class_names),
            self.config.validation_fraction,
        )
        return Holdout(tuple(np.split(held_out, np.cumsum([len(staged.labels) for staged in train])[:-1])))

    def train_batch(self, staged: Staged, holdout: Holdout) -> Iterator[TrainBatch]:
        """Yield the training images of a batch; nothing for a test batch."""
        if staged.batch.role == "train":
            yield TrainBatch(staged.batch, ~holdout.masks[staged.batch.index])

    def moments(self, train: TrainBatch) -> ChannelMoments:
        """Count the pixel values of a batch, channel by channel."""
        return ChannelMoments.of(self._images(train))

    def scatter(self, pair: tuple[TrainBatch, ChannelMoments]) -> Scatter:
        """Sum x x^T over a batch's images x as the whitening sees them, given the moments of all batches."""
        train, moments = pair
        _log.info("scatter of train batch %d", train.batch.index)
        blocks = Blocks(self.source.image_shape, self.config.zca_block)
        return Scatter.of(self.whitening.features(self._images(train), moments), blocks)

    def fit(self, holdout: Holdout, moments: ChannelMoments | None, scatter: Scatter | None) -> str:
        """Fit the whitener and write its file, which is too big for a runner to carry; return its name in `staging`."""
        _log.info("fitting the whitening %s", self.config.whiten)
        sums = Sums(self.source.image_shape, holdout.num_train, self.fingerprint, moments, scatter)
        with reported(self.staging):
            whitener = self.whitening.fit(sums, self.config.zca_reg, self.config.zca_block)
        whitener.save(self.staging / WHITENER)
        return WHITENER

    def write_shards(self, staged: Staged, holdout: Holdout, whitener: Whitener) -> Iterator[Shard]:
        """Whiten a batch and write its shards: train and validation, or test. A part without images has none."""
        batch = staged.batch
        raw = read_raw(self.staging, batch)
        whitened = whitener.apply(raw.images)
        parts: tuple[tuple[SplitName, np.ndarray], ...]
        if batch.role == "train":
            mask = holdout.masks[batch.index]
            parts = (("train", ~mask), ("validation", mask))
        else:
            parts = (("test", np.ones(len(raw.labels), bool)),)
        for split, rows in parts:
            if rows.any():
                content = ShardImages(raw.keys[rows].tolist(), whitened[rows], raw.labels[rows])
                yield write_shard(self.staging, split, batch.index, content, len(self.source.class_names))
        _log.info("wrote %s batch %d", batch.role, batch.index)

    def write_report(self, shards: Sequence[Shard], everything: Sequence[Staged]) -> None:
        """Leave the report for the launcher, in an order that does not depend on the runner."""
        in_order = sorted(everything, key=lambda staged: (staged.batch.role != "train", staged.batch.index))
        Report(
            shards=tuple(sorted(shards, key=lambda shard: (SPLITS.index(shard.split), shard.index))),
            bad=tuple(record for staged in in_order for record in staged.bad),
        ).save(self.staging)

    def _images(self, train: TrainBatch) -> np.ndarray:
        return read_raw(self.staging, train.batch).images[train.rows]

    def _check_bad(self, everything: Sequence[Staged]) -> None:
        name, allowed = self.source.name, self.config.max_bad_fraction
        bad = [record for staged in everything for record in staged.bad]
        num_in = sum(staged.batch.stop - staged.batch.start for staged in everything)
        if len(bad) > allowed * num_in:
            examples = "; ".join(f"{record.key}: {record.reason}" for record in sorted(bad)[:3])
            raise DataError(
                f"{len(bad)} of {num_in} records of {name} are bad ({examples}); allowed: {allowed} of them; "
                "repair the data set or raise max_bad_fraction"
            )
        for role in ("train", "test"):
            if not any(len(staged.labels) for staged in everything if staged.batch.role == role):
                raise DataError(f"{name} has no usable image to {role} on; check its {role} split")
