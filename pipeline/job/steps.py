"""The steps of `prepare`, one function for each stage of the Beam graph. No Beam here: each can be called by itself.

Values between steps are small; images go through files in the staging folder, so that no runner has to hold them.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.job.batch import Batch, Staged, read_raw
from kerneldistill.pipeline.job.draw import draw_validation
from kerneldistill.pipeline.job.report import Report
from kerneldistill.pipeline.sources.source import Source
from kerneldistill.pipeline.storage.manifest import SPLITS, WHITENER
from kerneldistill.pipeline.storage.shard import Shard, ShardImages, write_shard
from kerneldistill.pipeline.whitening.blocks import Blocks
from kerneldistill.pipeline.whitening.fit import (
    centring,
    channel_whitener,
    identity_whitener,
    kornia_whitener,
    zca_whitener,
)
from kerneldistill.pipeline.whitening.moments import ChannelMoments, Features, Scatter, plain_images, unit_images
from kerneldistill.pipeline.whitening.whitener import Whitener

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What every step knows.

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
    rows: bool [n] which of its good images are for training
    """

    batch: Batch
    rows: np.ndarray


def draw(job: Job, everything: Sequence[Staged]) -> Drawn:
    """Holds out the validation images.

    Raises:
      DataError: more records were bad than allowed, or no image is left to train or to test on.
    """
    _check_bad(job, everything)
    train = sorted((staged for staged in everything if staged.batch.role == "train"), key=lambda s: s.batch.index)
    held_out = draw_validation(
        np.concatenate([staged.labels for staged in train]),
        np.concatenate([staged.ranks for staged in train]),
        len(job.source.class_names),
        job.config.validation_fraction,
    )
    return Drawn(tuple(np.split(held_out, np.cumsum([len(staged.labels) for staged in train])[:-1])))


def train_batch(staged: Staged, drawn: Drawn) -> Iterator[TrainBatch]:
    """The training images of a batch; nothing for a test batch."""
    if staged.batch.role == "train":
        yield TrainBatch(staged.batch, ~drawn.held_out[staged.batch.index])


def moments_of(job: Job, train: TrainBatch) -> ChannelMoments:
    """Channel moments of a batch."""
    return ChannelMoments.of(_images(job, train))


def scatter_of(job: Job, train: TrainBatch, standard: Whitener) -> Scatter:
    """Scatter of a batch's images as the ZCA in the configuration sees them."""
    images = _images(job, train)
    _log.info("scatter of train batch %d", train.batch.index)
    return Scatter.of(_features(job, images, standard), _blocks(job))


def fit_none(job: Job) -> Whitener:
    """The whitener that only scales."""
    return identity_whitener(job.source.image_shape, job.fingerprint)


def fit_standard(job: Job, drawn: Drawn, moments: ChannelMoments) -> Whitener:
    """The whitener that standardises channels."""
    return channel_whitener(moments, job.source.image_shape, drawn.num_train, job.fingerprint)


def fit_zca(job: Job, standard: Whitener, scatter: Scatter) -> Whitener:
    """The ZCA in the configuration. Raises DataError when the covariance is singular."""
    _log.info("eigenvectors of the covariance, %s", " x ".join(map(str, scatter.total.shape)))
    fit = zca_whitener if job.config.whiten == "kip_zca" else kornia_whitener
    return fit(standard, scatter, job.config.zca_reg, job.config.zca_block)


def save_whitener(job: Job, whitener: Whitener) -> str:
    """Writes the whitener's file, too big for a runner to carry; gives its path in the staging folder."""
    whitener.save(job.staging / WHITENER)
    return WHITENER


def write_shards(job: Job, staged: Staged, drawn: Drawn, whitener: Whitener) -> Iterator[Shard]:
    """Whitens a batch and writes its shards: train and validation, or test. A part without images has none."""
    batch = staged.batch
    raw = read_raw(job.staging, batch)
    whitened = whitener.apply(raw.images)
    if batch.role == "train":
        held_out = drawn.held_out[batch.index]
        parts = (("train", ~held_out), ("validation", held_out))
    else:
        parts = (("test", np.ones(len(raw.labels), bool)),)
    for split, rows in parts:
        if rows.any():
            content = ShardImages(raw.keys[rows].tolist(), whitened[rows], raw.labels[rows])
            yield write_shard(job.staging, split, batch.index, content, len(job.source.class_names))
    _log.info("wrote %s batch %d", batch.role, batch.index)


def write_report(job: Job, shards: Sequence[Shard], everything: Sequence[Staged]) -> None:
    """Leaves the report for the launcher, in an order that does not depend on the runner."""
    in_order = sorted(everything, key=lambda staged: (staged.batch.role != "train", staged.batch.index))
    Report(
        shards=tuple(sorted(shards, key=lambda shard: (SPLITS.index(shard.split), shard.index))),
        bad=tuple(record for staged in in_order for record in staged.bad),
    ).save(job.staging)


def _features(job: Job, images: np.ndarray, standard: Whitener) -> Features:
    if job.config.whiten == "kip_zca":
        return unit_images(standard.standardise(images).reshape(len(images), -1))
    return plain_images(centring(standard).standardise(images).reshape(len(images), -1))


def _blocks(job: Job) -> Blocks:
    return Blocks(job.source.image_shape, job.config.zca_block)


def _images(job: Job, train: TrainBatch) -> np.ndarray:
    return read_raw(job.staging, train.batch).images[train.rows]


def _check_bad(job: Job, everything: Sequence[Staged]) -> None:
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
