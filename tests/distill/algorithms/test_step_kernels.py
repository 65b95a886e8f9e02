"""The kernel of a step is a function of the seed and the step, and is the one that is named."""

from dataclasses import replace

import numpy as np
import pytest

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.step_kernels import Sampled, kernels_of, validation_engine
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config, KernelConfig, RandomFeaturesConfig
from kerneldistill.kernels.architectures import conv_vec, fc_net
from kerneldistill.kernels.random_features import RandomFeatures
from tests.helpers.splits import make_split

SHAPE = (4, 4, 1)


def config_of(kernel: KernelConfig, networks: int = 0, seed: int = 0) -> Config:
    features = RandomFeaturesConfig(networks=networks, width=5, judges=7)
    return replace(PRESETS["digits"], kernel=kernel, random_features=features, seed=seed)


def train_of(config: Config) -> Targets:
    return Targets(engine_of(config.kernel, SHAPE), make_split((3, 4), SHAPE), 2)


MANY = KernelConfig("fc", 1, get="nngp", sampled=("same", "network=conv_vec", "depth=2,get=ntk"))


def test_one_kernel_is_always_that_of_the_targets() -> None:
    config = config_of(KernelConfig("fc", 1))
    train = train_of(config)
    assert all(kernels_of(config, train)(step) is train for step in range(3))
    assert validation_engine(config, train) is train.engine


def test_each_step_draws_one_of_the_kernels() -> None:
    config = config_of(MANY)
    train = train_of(config)
    kernels = kernels_of(config, train)
    assert isinstance(kernels, Sampled)
    drawn = [kernels(step) for step in range(200)]
    assert {(targets.engine.network, targets.engine.kind) for targets in drawn} == {
        (fc_net(1), "nngp"),
        (conv_vec(1), "nngp"),
        (fc_net(2), "ntk"),
    }
    # What is kept of the images is kept for every kernel.
    assert len({id(targets) for targets in drawn}) == 3
    assert any(targets is train for targets in drawn)
    assert all(targets.images is train.images for targets in drawn)
    counts = np.bincount([kernels.draw(step) for step in range(3000)], minlength=3)
    # Five standard deviations of a binomial.
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(3000 * 2 / 9)
    other = kernels_of(config_of(MANY, seed=1), train)
    assert [kernels.draw(step) for step in range(40)] != [other.draw(step) for step in range(40)]
    assert validation_engine(config, train) is train.engine


def test_random_features_are_drawn_anew_and_judged_by_others() -> None:
    config = config_of(KernelConfig("fc", 1, get="nngp"), networks=3)
    train = train_of(config)
    kernels = kernels_of(config, train)
    first, second, again = (kernels(step).engine for step in (0, 1, 0))
    judge = validation_engine(config, train)
    weights = [np.asarray(engine.params[0].W) for engine in (first, second, again, judge)]
    assert all(isinstance(engine, RandomFeatures) for engine in (first, second, again, judge))
    assert np.array_equal(weights[0], weights[2])
    assert not np.allclose(weights[0], weights[1])
    assert [len(w) for w in weights] == [3, 3, 3, 7]
    assert not np.allclose(weights[0], weights[3][:3])
    assert first.map is second.map  # compiled once
    assert first.devices == train.engine.devices


@pytest.mark.parametrize("step", [0, 1])
def test_sampled_networks_have_random_features_too(step: int) -> None:
    config = config_of(replace(MANY, sampled=("same", "depth=2")), networks=2)
    train = train_of(config)
    kernels = kernels_of(config, train)
    assert kernels(step).engine.network == (fc_net(1), fc_net(2))[kernels.draw(step)]
