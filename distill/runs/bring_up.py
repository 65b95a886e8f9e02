"""Bring a learned set into the space of other data: another whitening, another size of its images, another kernel.

Images go back to pixels by the inverse of their whitening, through a bicubic resize, and forward by the whitening of
the data. Their labels, where labels are learned, are those that predict real targets best from the images as they are
now: a closed form, and one forward pass.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.label_solve import label_solve
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.support import NO_START, Start, Support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.bundle.whitened_space import same_space
from kerneldistill.config.schema import Config
from kerneldistill.pipeline import Prepared
from kerneldistill.pipeline.split import Split
from kerneldistill.pipeline.whitening.whitener import Whitener
from kerneldistill.runtime.distributed import collectives


class Learned(NamedTuple):
    """A set as it was learned.

    images: [s, h, w, c] whitened
    labels: [s, k]
    class_ids: int [s] class each image began in, class-major
    whitener: pixels to the space of the images
    """

    images: np.ndarray
    labels: np.ndarray
    class_ids: np.ndarray
    whitener: Whitener


def refit_targets(size: int) -> int:
    """Targets to which the labels of `size` images are refitted: ten times the numbers that are fitted for a class."""
    return max(2000, 10 * size)


def start_from(learned: Learned, config: Config, data: Prepared, refit: bool) -> Start:
    """Begin with a set that was learned before; `refit` says whether labels that are learned are fitted anew.

    Raises:
      UserError: the kernel of the images cannot be inverted.
    """
    dtype = np.dtype(config.kernel.dtype)
    images = collectives.broadcast(brought_up(learned.images, learned.whitener, data).astype(dtype))
    support = Support(images, learned.labels.astype(np.float64))
    if refit and config.support.learn_labels:
        support = refitted(support, config, data)
    return Start(support, np.full(len(images), NO_START), learned.class_ids.astype(np.int32))


def brought_up(images: np.ndarray, whitener: Whitener, data: Prepared) -> np.ndarray:
    """Bring whitened images [s, h, w, c] into the space of `data`: float32 [s, h', w', c]; in it they stay as they are.

    A whitening that brings each image to length 1 would take off the contrast that was learned: put it back, relative
    to that of the average training image. (Ten images of CIFAR-10 under `kip_zca`, from 16x16 to 32x32, predict 43.2 %
    of 1,500 validation images so, and 41.4 % without it; keeping the length in the whitened space gives 43.5 %.)
    """
    target = data.whitener
    if same_space(whitener, target, data.probe):
        return images
    pixels = resized(whitener.invert(images), target.image_shape)
    found = target.apply(pixels)
    if target.per_image_norm:
        contrast = target.forgotten(pixels).norm / target.image_norm
        found *= contrast[:, None, None, None].astype(np.float32)
    return found


def resized(pixels: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Resize images [s, h, w, c] to `image_shape` by Pillow's bicubic filter, which averages where it makes smaller."""
    height, width, channels = image_shape
    if pixels.shape[1:3] == (height, width):
        return pixels
    found = np.empty((len(pixels), *image_shape), np.float32)
    for image, out in zip(pixels.astype(np.float32), found, strict=True):
        for channel in range(channels):
            plane = Image.fromarray(image[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            out[..., channel] = np.asarray(plane)
    return found


def refitted(support: Support, config: Config, data: Prepared) -> Support:
    """Fit the labels of a support to class-balanced training images, by least squares over their predictions."""
    targets = drawn_targets(config, data, refit_targets(len(support.images)))
    return label_solve(targets.engine, support.images, targets, config.krr.ridge, config.support.flip)


def drawn_targets(config: Config, data: Prepared, count: int, draw: int = 0) -> Targets:
    """Class-balanced training images, `count` or all, under the exact kernel, to fit labels to."""
    classes = len(data.manifest.class_names)
    rows = balanced(data.train.labels, classes, count, generator(config.seed, Stream.REFIT, draw))
    engine = engine_of(config.kernel, data.manifest.image_shape, shards=config.support.shards)
    return Targets(engine, Split(data.train.images[rows], data.train.labels[rows]), classes)
