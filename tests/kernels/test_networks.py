"""Networks as data: what is built, what is refused, and how wide the layers are."""

import pytest

from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, wide_resnet
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten, GlobalAvgPool, Residual
from kerneldistill.kernels.layers.layer import leaves
from kerneldistill.kernels.network import Network

A, C, D = Activation(), Conv(), Dense()


def count(network: Network, kind: type) -> int:
    return sum(isinstance(layer, kind) for layer in leaves(network.named).values())


def test_depths_of_the_families() -> None:
    assert (count(fc_net(3), Dense), count(fc_net(3), Activation)) == (4, 3)
    assert (count(conv_net(3), Conv), count(conv_net(3), AvgPool)) == (4, 3)
    assert count(conv_net(3, prepend=False), Conv) == 3
    assert (count(conv_vec(3), Conv), count(conv_vec(3), AvgPool)) == (3, 0)
    # Shankar et al. count the output layer with the convolutions.
    assert [count(myrtle(depth), Conv) + 1 for depth in (5, 7, 10)] == [5, 7, 10]
    # Zagoruyko & Komodakis call it a WRN-(6 n + 4): the first conv, 3 groups of n blocks of 2, 3 shortcuts.
    resnet = wide_resnet(2)
    assert count(resnet, Conv) == 6 * 2 + 4
    assert (count(resnet, AvgPool), len(resnet.activations)) == (2, 13)


def test_heads() -> None:
    assert conv_net(2).layers[conv_net(2).head] == Flatten()
    for network in (conv_net(2, global_pool=True), wide_resnet(1)):
        assert network.layers[network.head] == GlobalAvgPool()
    assert fc_net(1).head == 0


def test_networks_are_equal_and_hashable_as_data() -> None:
    assert conv_net(2) == conv_net(2)
    assert hash(conv_net(2)) == hash(conv_net(2))
    assert len({conv_net(2), conv_net(2), conv_net(2).standard(8), conv_net(2).standard(9)}) == 3


def test_fan_ins_follow_channels_pixels_and_paths() -> None:
    # Images 5 x 6 x 2, width 4; the pool leaves 2 x 3 pixels.
    network = Network((Residual((C, A, C), C), AvgPool(), A, Flatten(), D))
    truth = {"0.branch.0": 9 * 2, "0.branch.2": 9 * 4, "0.shortcut": 9 * 2, "4": 2 * 3 * 4}
    assert network.fan_ins((5, 6, 2), 4) == truth
    assert list(conv_net(1, global_pool=True).fan_ins((4, 4, 3), 8).values()) == [27, 72, 8]
    assert list(fc_net(1).fan_ins((4, 4, 3), 8).values()) == [48, 8]


def test_only_the_standard_parameterisation_needs_sizes() -> None:
    assert conv_net(1).sized((4, 4, 3)) == conv_net(1)
    network = wide_resnet(1, groups=1).standard(4)
    sized = network.sized((4, 4, 3))
    assert {path: layer.fan_in for path, layer in sized.weighted.items()} == network.fan_ins((4, 4, 3), 4)
    assert sized.sized((4, 4, 3)) == sized


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((C, A, D), "exactly one head .* has 0"),
        ((C, Flatten(), GlobalAvgPool(), D), "exactly one head .* has 2"),
        ((D, Flatten(), D), "layer 0, Dense.* cannot stand before the head"),
        ((C, A, Flatten(), AvgPool()), "layer 3, AvgPool.* cannot stand after the head"),
        ((C, Flatten(), Residual((C,), C)), "layer 2, Residual.* cannot stand after"),
        ((C, "relu", Flatten(), D), "layer 1 is 'relu': layers are those of kerneldistill.kernels.layers"),
        ((Conv(0.0), Flatten()), "W_std must be > 0"),
        ((Conv(size=4), Flatten()), "the size of a filter must be odd, 1, 3, 5"),
        ((C, Residual((A, Conv(b_std=-1.0))), Flatten()), "b_std >= 0"),
        ((A, Flatten(), D), "acts on the images themselves"),
        ((C, A, A, Flatten(), D), "acts on what is not Gaussian: put a Conv or a Dense directly before"),
        ((C, Flatten(), A, D), "acts on what is not Gaussian"),
        ((C, A, Residual((C, A, C)), A, Flatten()), "acts on what is not Gaussian"),
        ((C, Residual((A,)), Flatten()), "must end with a Conv"),
        ((C, Residual(()), Flatten()), "must end with a Conv"),
        ((C, Residual((A, AvgPool(), C)), Flatten()), "a branch is made of Conv, Activation and Residual"),
        ((Residual((C, A, C)), Flatten()), "give the block a Conv as its shortcut"),
    ],
)
def test_impossible_networks_are_refused(layers: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Network(layers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fc_net(1, activation="swish"), "unknown activation 'swish'"),
        (lambda: myrtle(6), "depth 5, 7 or 10; got 6"),
        (lambda: wide_resnet(0), "depth >= 1 and groups >= 1; got 0, 3"),
        (lambda: fc_net(1).standard(0), "needs a width >= 1; got 0"),
        (lambda: Network(fc_net(1).layers, "standard"), "needs a width >= 1; got None"),
        (lambda: Network(fc_net(1).layers, width=5), "width 5 has no meaning"),
        (lambda: Network(fc_net(1).layers, "mup"), "unknown parameterization 'mup'"),
        (lambda: conv_net(3).check_images((7, 9, 1)), "7 x 9 are too small for 3 poolings .* at least 8 x 8"),
        (lambda: conv_net(3).check_images((8, 8)), r"\[n, height, width, channels\]; got images of shape \(8, 8\)"),
        (lambda: conv_net(3).check_images((8, 8, 0)), r"got images of shape \(8, 8, 0\)"),
    ],
)
def test_bad_numbers_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
