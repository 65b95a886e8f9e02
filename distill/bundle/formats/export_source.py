"""`ExportSource`: a bundle in every space that a format may want; what `write` of each format is given."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from kerneldistill.algorithms.labels import class_probabilities
from kerneldistill.bundle.formats.foreign_set import CHANNELS, ForeignSet
from kerneldistill.bundle.formats.normalization import FOREIGN_NAMES, normalised
from kerneldistill.bundle.reader import Bundle
from kerneldistill.bundle.whitened_space import same_space
from kerneldistill.errors import UserError
from kerneldistill.pipeline.prepared import Prepared
from kerneldistill.pipeline.untrusted.names import file_name
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.pipeline.whitening.whitening import whitening_of


class ReadBack(NamedTuple):
    """A way in which another program gets the set back from what was written.

    what: the files or columns, in few words
    read: what stands there, read again
    space: pixels to the space that the images are in; for uint8 images, that which the program brings them to
    lost: what the format cannot hold, in words; empty if nothing
    """

    what: str
    read: ForeignSet
    space: Whitener
    lost: str


@dataclass(frozen=True)
class ExportSource:
    """A bundle to be written; rows class-major, as in the bundle.

    bundle: what was distilled
    folder: of the bundle
    prepared: the data it was distilled from, if they are at hand
    kornia: whitener of kornia's ZCA of the same data, for programs that train there; None to normalise instead
    shift_labels: whether to give soft labels as class probabilities: centred one-hot ones become one-hot
    """

    bundle: Bundle
    folder: Path
    prepared: Prepared | None = None
    kornia: Whitener | None = None
    shift_labels: bool = False

    def check(self) -> None:
        """Check what was given beside the bundle.

        Raises:
          UserError: the data are others than the bundle was distilled from, or the whitening is not kornia's.
        """
        there = self.bundle.manifest
        if self.prepared is not None and self.prepared.manifest.fingerprint != there.fingerprint:
            raise UserError(
                f"the prepared data have fingerprint {self.prepared.manifest.fingerprint[:16]}, the bundle was "
                f"distilled from {there.fingerprint[:16]}: give the folder that it was distilled from with --prepared"
            )
        if self.kornia is not None and not _is_kornia(self.kornia):
            raise UserError(
                f"--kornia names data whitened by {self.kornia.kind}, allowed is kornia_zca: prepare the data with "
                "--data.whiten kornia_zca"
            )
        if self.kornia is not None and tuple(self.kornia.image_shape) != tuple(self.bundle.whitener.image_shape):
            raise UserError(f"--kornia names images of {self.kornia.image_shape}: give the data of {there.dataset}")

    @property
    def name(self) -> str:
        """Of the data set, as TFDS has it."""
        return self.bundle.manifest.dataset

    @property
    def foreign_name(self) -> str:
        """Of the data set, as torchvision and DC have it; a part of a path."""
        return FOREIGN_NAMES.get(self.name, self.file_name)

    @property
    def file_name(self) -> str:
        """The name of the data set as a part of a path: what a bundle says of itself may lead anywhere."""
        return file_name(self.name)

    @cached_property
    def pixels(self) -> np.ndarray:
        """float32 [n, h, w, c] pixels, 0..255 and beyond."""
        return self.bundle.whitener.invert(self.bundle.images)

    @cached_property
    def bytes(self) -> np.ndarray:
        """uint8 [n, h, w, c] pixels, clipped to 0..255 and rounded."""
        return np.clip(np.round(self.pixels), 0, 255).astype(np.uint8)

    @cached_property
    def normalised(self) -> Whitener:
        """The space of torch's Normalize."""
        return normalised(self.name, self.bundle.whitener, self.prepared)

    @property
    def torch_space(self) -> Whitener:
        """What MTT and DD-Ranking train in: kornia's ZCA where there is one, else normalised."""
        if _is_kornia(self.bundle.whitener):
            return self.bundle.whitener
        return self.kornia or self.normalised

    def images_in(self, space: Whitener) -> np.ndarray:
        """float32 [n, h, w, c] images in another space; as they are, if it is that of the bundle."""
        return self.bundle.images if space is self.bundle.whitener else space.apply(self.pixels)

    @cached_property
    def hard_labels(self) -> np.ndarray:
        """int64 [n] a class for each image: as many of each as the set began with, by the largest sum of labels.

        The largest label of each row is that where it can be. Of learned labels it seldom is, and as one-hot labels it
        predicts less: 23.6 % of 1,000 test images of CIFAR-10 for 28.3 % by ten learned images, 30.3 for 48.7 % of
        Fashion-MNIST (the class that each image began in: 23.6 and 42.2 %).
        """
        labels, classes = self.bundle.labels, np.sort(self.bundle.class_ids).astype(np.int64)
        largest = labels.argmax(axis=1).astype(np.int64)
        if np.array_equal(np.sort(largest), classes):
            return largest
        _, chosen = linear_sum_assignment(labels[:, classes], maximize=True)
        return classes[chosen]

    @cached_property
    def class_major(self) -> "ExportSource":
        """The same with rows in the order of `hard_labels`; one for all formats that want it."""
        order = np.argsort(self.hard_labels, kind="stable")
        if np.all(np.diff(order) == 1):
            return self
        rows = {name: getattr(self.bundle, name)[order] for name in ("images", "labels", "class_ids")}
        ordered = replace(self, bundle=replace(self.bundle, **rows))
        # Shared out once: among equal rows another sharing is as good, and would be out of order.
        vars(ordered)["hard_labels"] = self.hard_labels[order]
        return ordered

    @property
    def soft_labels(self) -> np.ndarray:
        """float32 [n, k] labels: as class probabilities if that was asked for, else centred."""
        labels = self.bundle.labels
        return (class_probabilities(labels) if self.shift_labels else labels).astype(np.float32)

    def per_class(self, needed_by: str) -> int:
        """Return images of each class.

        Raises:
          UserError: they are not equally many.
        """
        counts = np.bincount(self.bundle.class_ids, minlength=self.bundle.labels.shape[1])
        if len(set(counts.tolist())) > 1:
            raise UserError(
                f"{needed_by} needs equally many images of each class, there are {min(counts)} to {max(counts)}: "
                "distil with a --support.size that the classes divide, or leave this format out"
            )
        return int(counts[0])

    def check_channels(self, needed_by: str) -> None:
        """Raise UserError if the images are no pictures of 1, 3 or 4 channels."""
        if (channels := self.bundle.whitener.image_shape[2]) not in CHANNELS:
            raise UserError(
                f"{needed_by} writes PNG, which has 1, 3 or 4 channels, not {channels}: leave this format out"
            )

    def lost_bits(self) -> str:
        """Return what eight bits and whole-number labels lose, in words."""
        outside = float(np.mean((self.pixels < -0.5) | (self.pixels > 255.5)))
        bits = f"8 bits a channel, {100 * outside:.1f} % of the pixels clipped"
        return together(bits, self.lost_space(self.normalised), self.lost_labels())

    def lost_labels(self, left: str = "one class an image") -> str:
        """Return what whole numbers lose of the labels, in words."""
        return "" if self.bundle.manifest.label_mode == "fixed" else f"labels are {left}"

    def lost_space(self, space: Whitener) -> str:
        """Return what leaving the whitening of the bundle loses, in words."""
        own = self.bundle.whitener
        if same_space(own, space, self.bundle.probe):
            return ""
        if not own.W.size and not space.W.size:
            return "channels are scaled by other constants"
        forgotten = ", and with it the scale of each image" if own.per_image_norm else ""
        return f"{own.kind} is left for {space.kind}{forgotten}"


def together(*lost: str) -> str:
    """Return several losses as one text."""
    return "; ".join(filter(None, lost))


def nchw(images: np.ndarray) -> np.ndarray:
    """Return [n, h, w, c] as torch has it, contiguous."""
    return np.ascontiguousarray(np.moveaxis(images, -1, 1))


def _is_kornia(space: Whitener) -> bool:
    return "kornia" in whitening_of(space.kind).used_by
