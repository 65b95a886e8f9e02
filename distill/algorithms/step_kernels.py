"""The kernel of each step, where that is not always the one by which the set is judged.

"Sampling KIP" (2107.13034, section 4.1) draws one of several networks for each step; random features (2210.12067) draw
finite networks. Either draw is a function of the seed and the step, and needs no state.
"""

from collections.abc import Callable
from typing import NamedTuple

from kerneldistill.algorithms.engines import engine_of, network_of
from kerneldistill.algorithms.random_streams import Stream, generator, seed_of
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.kernel_variants import sampled_kernels
from kerneldistill.config.schema import Config, KernelConfig
from kerneldistill.kernels.engine import Engine
from kerneldistill.kernels.random_features import FeatureMap

# The targets of a step, counted from 0, as columns of the kernel that it learns by.
Kernels = Callable[[int], Targets]


class Sampled(NamedTuple):
    """One of several kernels for each step.

    kernels: to draw from
    seed: of the run
    """

    kernels: tuple[Kernels, ...]
    seed: int

    def __call__(self, step: int) -> Targets:
        return self.kernels[self.draw(step)](step)

    def draw(self, step: int) -> int:
        """Draw the number of a step's kernel."""
        return int(generator(self.seed, Stream.KERNEL, step).integers(len(self.kernels)))


class Always(NamedTuple):
    """The same kernel in each step.

    targets: its columns
    """

    targets: Targets

    def __call__(self, step: int) -> Targets:
        return self.targets


class Redrawn(NamedTuple):
    """Random features, drawn anew for each step.

    targets: images and labels
    map: their features
    seed: of the run
    """

    targets: Targets
    map: FeatureMap
    seed: int

    def __call__(self, step: int) -> Targets:
        # The draw 0 is that of validation.
        return self.targets.with_engine(self.map.draw(seed_of(self.seed, Stream.FEATURES, 1 + step)))


def kernels_of(config: Config, train: Targets) -> Kernels:
    """The kernels of the steps of a run, on the devices of the kernel of `train`."""
    each = tuple(_one(config, kernel, train) for kernel in sampled_kernels(config.kernel))
    return each[0] if len(each) == 1 else Sampled(each, config.seed)


def validation_engine(config: Config, train: Targets) -> Engine:
    """The kernel that validation scores by: that of `train`, or random features that are drawn once."""
    if not config.random_features.networks:
        return train.engine
    features = feature_map(config, config.kernel, train, config.random_features.judges)
    return features.draw(seed_of(config.seed, Stream.FEATURES))


def feature_map(config: Config, kernel: KernelConfig, train: Targets, networks: int) -> FeatureMap:
    """The random features of a kernel."""
    own = train.engine
    width = config.random_features.width
    return FeatureMap(network_of(kernel), own.image_shape, own.dtype, networks, width, own.devices)


def _one(config: Config, kernel: KernelConfig, train: Targets) -> Kernels:
    if config.random_features.networks:
        return Redrawn(train, feature_map(config, kernel, train, config.random_features.networks), config.seed)
    engine = engine_of(kernel, train.engine.image_shape, train.engine.devices, config.support.shards)
    return Always(train if engine == train.engine else train.with_engine(engine))
