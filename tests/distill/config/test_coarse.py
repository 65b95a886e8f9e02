"""Levels are read from their texts, and each is a configuration of its own."""

from dataclasses import replace
from typing import Any

import pytest

from kerneldistill.config.coarse import coarser, levels_of
from kerneldistill.config.data_limits import check_levels
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import Config, KernelConfig
from kerneldistill.config.toml import config_from_toml, config_to_toml
from kerneldistill.config.validation import check
from kerneldistill.errors import UserError

SHAPE = (32, 32, 3)


def config_of(*coarse: int | str, **changes: Any) -> Config:
    preset = PRESETS["cifar10-convnet-1"]
    return replace(preset, data=replace(preset.data, dir="somewhere"), coarse=coarse, **changes)


def test_a_size_halves_the_images_and_takes_off_a_block() -> None:
    fine = config_of(16)
    level, shape = coarser(fine, SHAPE)
    assert shape == (16, 16, 3)
    assert (level.data.height, level.data.width, level.data.resize) == (16, 16, "box")
    assert level.kernel == replace(fine.kernel, depth=2)
    undone = replace(level, data=fine.data, kernel=fine.kernel, support=fine.support, coarse=fine.coarse)
    assert undone == fine


def test_labels_are_refitted_at_the_end_alone_unless_a_level_says_so() -> None:
    fine = config_of("16,support.refit=mse", "kernel.depth=2")
    assert fine.support.refit == "cross_entropy"
    level, shape = coarser(fine, SHAPE)
    assert level.support == replace(fine.support, refit="none")
    assert coarser(level, shape)[0].support.refit == "mse"


def test_levels_come_one_after_the_other_and_hand_on_what_they_change() -> None:
    level, shape = coarser(config_of(8, "16,optim.steps=70,krr.first_ridge=1e-2", "kernel.get=nngp"), SHAPE)
    assert (shape, level.kernel.get, level.kernel.depth, level.data.resize) == (SHAPE, "nngp", 3, "refuse")
    level, shape = coarser(level, shape)
    assert (shape, level.kernel.get, level.kernel.depth, level.optim.steps) == ((16, 16, 3), "nngp", 2, 70)
    level, shape = coarser(level, shape)
    assert (shape, level.kernel.depth, level.optim.steps, level.krr.first_ridge) == ((8, 8, 3), 1, 70, 0.01)
    assert level.coarse == ()


@pytest.mark.parametrize(
    ("kernel", "shape", "size", "fitted"),
    [
        (KernelConfig("conv_net", 3), (28, 28, 1), 14, KernelConfig("conv_net", 2)),
        (KernelConfig("conv_net", 3), (32, 32, 3), 24, KernelConfig("conv_net", 3)),
        (KernelConfig("conv_net", 4), (64, 96, 3), 16, KernelConfig("conv_net", 2)),
        (KernelConfig("myrtle", 5), (32, 32, 3), 8, KernelConfig("myrtle", 5, pools=1)),
        (KernelConfig("wide_resnet", 1), (32, 32, 3), 16, KernelConfig("wide_resnet", 1, groups=2)),
        (KernelConfig("conv_vec", 8), (32, 32, 3), 16, KernelConfig("conv_vec", 8)),
        (KernelConfig("fc", 1), (32, 32, 3), 16, KernelConfig("fc", 1)),
        (KernelConfig("conv_net", 3, sampled=("same", "depth=2")), (32, 32, 3), 16, KernelConfig("conv_net", 2)),
    ],
)
def test_the_network_fits_the_size(
    kernel: KernelConfig, shape: tuple[int, int, int], size: int, fitted: KernelConfig
) -> None:
    assert coarser(config_of(size, kernel=kernel), shape)[0].kernel == fitted


def test_a_depth_that_is_named_stays_and_none_is_none() -> None:
    level, _ = coarser(config_of("16, kernel.depth=3, kernel.global_pool=None"), SHAPE)
    assert (level.kernel.depth, level.kernel.global_pool) == (3, None)


def test_blocks_of_a_zca_stay_while_they_are_smaller_than_the_image() -> None:
    preset = config_of(32)
    blocked = replace(preset, data=replace(preset.data, zca_block=16), kernel=KernelConfig("conv_net", 3))
    assert coarser(blocked, (64, 64, 3))[0].data.zca_block == 16
    assert coarser(replace(blocked, coarse=(16,)), (64, 64, 3))[0].data.zca_block == 0


@pytest.mark.parametrize(
    ("coarse", "message"),
    [
        ((64,), r"size 64, but the images of cifar10 at the next finer level have 32x32.*--coarse 16"),
        ((32,), r"'32', which is how the run itself learns"),
        (("kernel.get=ntk",), r"'kernel\.get=ntk', which is how the run itself learns"),
        ((4,), r"size 4, for which a conv_net would need a kernel\.depth of 0 .* from 8 up, .*4,kernel\.depth=1"),
        ((16, 8), r"sizes \[16, 8\], allowed are ascending ones: set --coarse 8 16"),
        ((16, "16"), r"'16' twice, allowed is each level once"),
        ((0,), r"'0', allowed is a size from 1 up"),
        (("-3",), r"'-3', allowed is a size, or NAME=VALUE"),
        (("16,depth=2",), r"'depth=2', and 'depth' is no setting there, did you mean 'kernel\.depth'"),
        (("16,support.size=20",), r"'support\.size' is no setting there"),
        (("16,optim.steps=few",), r"allowed as optim\.steps is a valid integer"),
        (("16,optim.steps=-1",), r"allowed as optim\.steps is greater than or equal to 0"),
        (("16,kernel.width=5",), r"coarse has '16,kernel\.width=5': kernel\.width is 5, but the NTK"),
        (("16,kernel.depth=5",), r"kernel\.depth is 5, but images of 16x16 pixels can be halved 4 times"),
    ],
)
def test_what_is_no_level_is_refused(coarse: tuple[int | str, ...], message: str) -> None:
    def use() -> None:
        check(config_of(*coarse))
        check_levels(config_of(*coarse), SHAPE)

    with pytest.raises(UserError, match=message):
        use()


def test_proportions_are_kept() -> None:
    assert coarser(config_of(16), (32, 48, 3))[1] == (16, 24, 3)
    with pytest.raises(UserError, match=r"32x36 pixels, whose proportions it does not keep: set a divisor of 32"):
        coarser(config_of(12), (32, 36, 3))


def test_levels_are_written_and_read() -> None:
    config = config_of(8, "16,optim.steps=70")
    assert config_from_toml(config_to_toml(config), "here") == config
    first, second = levels_of(config)
    assert (first.size, dict(first.changes)) == (8, {})
    assert (second.size, dict(second.changes)) == (16, {"optim.steps": 70})
