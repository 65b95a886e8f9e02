"""The plan of offsets: the figures that the speed rests on."""

from itertools import pairwise

import pytest

from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, resnet, vit, wide_resnet
from kerneldistill.kernels.layers import (
    Activation,
    AvgPool,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
)
from kerneldistill.kernels.levels import deviation_levels, levels, points
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.offsets import Offsets


def shapes(network: Network, height: int, width: int) -> list[tuple[int, int]]:
    return [level.offsets.shape for level in levels(network, height, width)]


def test_the_kip_network_needs_225_offsets_of_3969() -> None:
    plan = shapes(conv_net(3), 32, 32)
    assert plan == [(15, 15), (7, 7), (3, 3), (1, 1)]


def test_deviations_need_what_comes_before_the_last_activation() -> None:
    def needed(network: Network) -> list[tuple[int, int]]:
        return [level.offsets.shape for level in deviation_levels(network, 32, 32)]

    assert needed(conv_net(3)) == needed(conv_net(3, global_pool=True)) == [(7, 7), (3, 3), (1, 1)]
    assert needed(conv_vec(2)) == [(1, 1)]
    assert needed(Network((Conv(), Flatten()))) == []
    after_head = Network((Conv(), AvgPool(), GlobalAvgPool(), Dense(), Activation(), Dense()))
    assert needed(after_head) == [(32, 32), (16, 16)]


def test_without_pools_offset_zero_is_enough() -> None:
    assert shapes(conv_vec(3), 10, 12) == [(1, 1)]


def test_a_global_mean_needs_every_offset_once() -> None:
    assert shapes(conv_net(2, global_pool=True), 12, 8) == [(12, 8), (6, 4), (3, 2)]
    # Odd sizes cannot be halved modulo their size: every offset from -(n - 1) to n - 1.
    odd = levels(conv_net(1, global_pool=True), 5, 4)
    assert [level.offsets.wrapped for level in odd] == [False, False]
    assert odd[-1].offsets.shape == (3, 3)


def test_a_stride_of_two_needs_every_other_offset() -> None:
    (level,) = levels(resnet(18), 32, 32)
    assert level.offsets == Offsets(32, 32, 3, 3, wrapped=True, step=8)
    assert level.offsets.shape == (4, 4)
    sizes = [(place.height, place.step) for place in level.places.values()]
    assert sorted(set(sizes)) == [(4, 1), (8, 2), (16, 4), (32, 8)]
    assert level.joint.before == Offsets(4, 4, 3, 3, wrapped=True)
    # Of odd sizes the offsets from -(n - 1) to n - 1 between the last pixels.
    (level,) = levels(resnet(10), 20, 32)
    assert level.offsets == Offsets(20, 32, 2, 3, wrapped=False, step=8)
    # Behind a pool all offsets of a radius are needed, whatever is wanted of what it leaves.
    network = Network((Conv(), AvgPool(3), Conv(stride=2), AvgPool(), Flatten()))
    assert [level.offsets for level in levels(network, 24, 24)] == [
        Offsets(24, 24, 8, 8, wrapped=False),
        Offsets(8, 8, 1, 1, wrapped=False, step=2),
        Offsets(2, 2, 0, 0, wrapped=False),
    ]


def test_circular_convolutions_hold_few_offsets_modulo_the_size() -> None:
    circular = Conv(padding="CIRCULAR")
    network = Network((Conv(), AvgPool(), circular, AvgPool(), Conv(), Flatten()))
    assert [(level.offsets.shape, level.offsets.circular) for level in levels(network, 12, 12)] == [
        ((7, 7), True),
        ((3, 3), True),
        ((1, 1), False),
    ]
    whole = levels(Network((circular, AvgPool(), circular, GlobalAvgPool())), 12, 8)
    assert [(level.offsets.wrapped, level.offsets.circular) for level in whole] == [(True, False)] * 2


def test_attention_needs_every_offset_of_its_tokens() -> None:
    patches, tokens = levels(vit(1, patch=8), 32, 32)
    assert patches.offsets == Offsets(32, 32, 3, 3, wrapped=True, step=8)
    assert patches.joint == (Offsets(4, 4, 3, 3, wrapped=True),) * 2
    assert tokens.joint == (Offsets(4, 4, 3, 3, wrapped=True), None)
    assert (patches.whole, tokens.whole, patches.uniform, tokens.uniform) == (False, True, False, False)
    # Behind it as many as are wanted, be they few: before it all, modulo the size where no pixel is dropped.
    cut, attention = Conv(size=4, stride=4, padding="VALID"), GlobalSelfAttention()
    patches, tokens = levels(Network((cut, attention, Flatten())), 16, 8)
    assert patches.offsets == Offsets(16, 8, 3, 1, wrapped=True, step=4)
    assert tokens.joint.before == Offsets(4, 2, 0, 0, wrapped=False)
    patches, tokens = levels(Network((cut, attention, Flatten())), 17, 8)
    assert patches.offsets == Offsets(17, 8, 3, 1, wrapped=False, step=4)
    assert tokens.offsets == Offsets(4, 2, 3, 1, wrapped=False)
    plan = levels(Network((Conv(), AvgPool(), attention, AvgPool(), Conv(), Flatten())), 8, 8)
    assert [(each.offsets.shape, each.whole) for each in plan] == [((8, 8), False), ((4, 4), True), ((1, 1), False)]
    assert plan[1].joint == (Offsets(4, 4, 1, 1, wrapped=False), Offsets(2, 2, 0, 0, wrapped=False))


def test_no_stride_stands_behind_attention_in_its_resolution() -> None:
    network = Network((Conv(), GlobalSelfAttention(), Conv(stride=2), Flatten()))
    with pytest.raises(ValueError, match=r"layer 1, Glob.*not every 2: put strides before it, or a pool behind it"):
        levels(network, 8, 8)


def test_attention_costs_the_number_of_its_tokens_cubed() -> None:
    def price(size: int) -> int:
        layers = Conv(size=4, stride=4, padding="VALID"), *[GlobalSelfAttention()] * 50
        return points(Network((*layers, Flatten())), size, size, 3)

    # Four times the tokens, each pair of which costs less than what each three do.
    assert 32 < price(32) / price(16) < 64


@pytest.mark.parametrize(
    "before", [(AvgPool(),), (Conv(padding="VALID"),), (Conv(stride=2),)], ids=["pool", "unpadded", "stride"]
)
def test_edges_that_are_no_neighbours_are_not_joined(before: tuple) -> None:
    network = Network((*before, Conv(padding="CIRCULAR"), Flatten()))
    with pytest.raises(
        ValueError, match=r"layer 1, Conv.*joins the edges of .* pixels, which no neighbours.*'SAME' here"
    ):
        levels(network, 7, 8)


def test_a_kernel_of_a_tpu_passes_one_resolution_of_neighbouring_offsets() -> None:
    def uniform(*layers: object) -> list[bool]:
        return [level.uniform for level in levels(Network(layers), 8, 8)]

    assert uniform(Conv(), AvgPool(), Conv(), Flatten()) == [True, True]
    assert uniform(Conv(), AvgPool(4), Conv(), Flatten()) == [False, True]
    assert uniform(Conv(stride=2), AvgPool(), Conv(), Flatten()) == [False, True]
    assert uniform(Conv(), AvgPool(), Conv(stride=2), GlobalAvgPool()) == [False, False]
    assert uniform(Conv(padding="CIRCULAR"), AvgPool(), Conv(), Flatten()) == [False, True]


def test_no_band_is_narrower_than_its_pool_needs() -> None:
    for plan in (levels(myrtle(5), 32, 32), levels(wide_resnet(1), 16, 12), levels(conv_net(2), 9, 7)):
        for before, after in pairwise(plan):
            assert (after.offsets.height, after.offsets.width) == (
                before.offsets.height // 2,
                before.offsets.width // 2,
            )
            if not before.offsets.wrapped:
                assert before.offsets.ry >= min(2 * after.offsets.ry + 1, before.offsets.height - 1)


@pytest.mark.parametrize("network", [conv_net(2), wide_resnet(2, groups=2), conv_vec(2)])
def test_cost_counts_the_layers_inside_blocks(network: Network) -> None:
    # Twice the blocks of a group, about twice the points; a level without layers still costs its band.
    assert points(network, 8, 8, 3) >= sum(level.offsets.points for level in levels(network, 8, 8))
    assert points(wide_resnet(4), 16, 16, 3) > 1.7 * points(wide_resnet(2), 16, 16, 3)


def test_fully_connected_networks_cost_their_pixels() -> None:
    assert points(fc_net(3), 8, 6, 3) == 8 * 6 * 3
