"""What steps by random features cost, beside those by the exact kernel, and from how many images on they cost less."""

import math
from dataclasses import dataclass

import jax
import numpy as np

from kerneldistill.algorithms.engines import network_of
from kerneldistill.config.schema import Config
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.random_features import FeatureMap
from kerneldistill.runs.planning.timing import best_of

# Arrays of the size of a hidden layer's output, for each layer of the one network at work: before and after the
# activation, their gradients, and what a convolution lays out. Measured: 1.19 GB in all with four networks of 256
# channels at 16x16 and chunks of 200 images, of which other parts are 0.46 GB.
_COPIES = 7


@dataclass(frozen=True)
class RandomFeaturesSpeed:
    """Speed of a step's random features on this machine, all devices together, in seconds.

    embed: one image by all networks
    embed_gradient: the gradient by its pixels, its features computed again
    entry: a product of two images' features, with its gradient by those of one
    """

    embed: float
    embed_gradient: float
    entry: float

    def step(self, rows: int, targets: int) -> float:
        """Seconds of a step: targets are embedded once, the support as itself and as its own targets."""
        images = targets + 2 * rows
        return images * self.embed + rows * self.embed_gradient + rows * (targets + rows) * self.entry

    def score(self, rows: int, targets: int, networks: float) -> float:
        """Seconds of an evaluation by `networks` times as many networks, without gradient."""
        entries = rows * (targets + rows)
        return networks * ((targets + 2 * rows) * self.embed + 0.5 * entries * self.entry)

    def break_even(self, exact: float, targets: int) -> int | None:
        """The least support whose step costs no more than `exact` seconds an entry; None if there is none.

        With n images and t targets: n (t + n) exact >= (t + 2 n) embed + n embed_gradient + n (t + n) entry.
        """
        square = exact - self.entry
        linear = targets * square - 2 * self.embed - self.embed_gradient
        if square <= 0:
            return None
        return math.ceil((-linear + math.sqrt(linear**2 + 4 * square * targets * self.embed)) / (2 * square))


def feature_map(config: Config, exact: Engine) -> FeatureMap:
    """The random features of a step, on the devices of the exact kernel."""
    networks, width = config.random_features.networks, config.random_features.width
    return FeatureMap(network_of(config.kernel), exact.image_shape, exact.dtype, networks, width, exact.devices)


def embedded_bytes(features: FeatureMap, rows: int, chunk: int) -> int:
    """Bytes on each device, at a step's peak, of what makes features of `rows` images and of a chunk of targets."""
    *hidden, last = features.network.fan_ins(features.image_shape, features.width).values()
    itemsize, each = features.dtype.itemsize, -(-chunk // len(features.devices))
    values = features.networks * last * itemsize
    pixels = 1 if features.network.fully_connected else math.prod(features.image_shape[:2])
    weights = features.networks * features.width * sum(hidden) * itemsize
    layers = _COPIES * len(hidden) * pixels * features.width * itemsize * each
    # Of the support its values, their gradient and that on its way to the pixels.
    return 3 * rows * values + each * values + weights + layers


def timed(features: FeatureMap, targets: int) -> RandomFeaturesSpeed:
    """Time the programs of a step to `targets` on one chunk of random images, compiled first."""
    engine, count = features.draw(0), features.chunk(targets)
    images = np.random.default_rng(0).standard_normal((count, *features.image_shape)).astype(features.dtype)
    cotangent = np.ones((count, count))
    values = engine.support_features(images)
    own = engine.embed(images)
    parts = engine.pullback(values, own, cotangent)

    def product() -> jax.Array:
        jax.block_until_ready(engine.k_ts(values, own))
        return engine.pullback(values, own, cotangent).values

    seconds = {
        "embed": best_of(lambda: engine.embed(images).values),
        "embed_gradient": best_of(lambda: engine.pullback_images(images, parts)),
        "entry": best_of(product),
    }
    return RandomFeaturesSpeed(seconds["embed"] / count, seconds["embed_gradient"] / count, seconds["entry"] / count**2)
