"""Networks as data: what is built, what is refused, and how wide the layers are."""

import pytest

from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, resnet, vit, wide_resnet
from kerneldistill.kernels.layers import (
    Activation,
    AvgPool,
    Concat,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
    LayerNorm,
    PositionalEmbedding,
    Residual,
    Sum,
)
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
    wide = wide_resnet(2)
    assert count(wide, Conv) == 6 * 2 + 4
    assert (count(wide, AvgPool), len(wide.activations)) == (2, 13)
    # He et al. count the convolutions that are no shortcuts, and the output layer.
    for depth in (10, 18, 34):
        convs = [leaf for leaf in leaves(resnet(depth).named).values() if isinstance(leaf, Conv)]
        assert sum(conv.size == 3 for conv in convs) + 1 == depth
        assert [conv.stride for conv in convs if conv.size == 1] == [2, 2, 2]
    # Dosovitskiy et al. count layers of an attention and a perceptron of two.
    transformer = vit(3, patch=8)
    assert (count(transformer, GlobalSelfAttention), count(transformer, Conv)) == (3, 1 + 2 * 3)


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
    # The channels of branches behind one another, after a stride, and after a convolution without padding.
    branches = ((Conv(stride=2), A), (Conv(size=1, stride=2),))
    joined = Network((C, A, Concat(branches), Conv(padding="VALID"), A, Flatten(), D))
    truth = {"0": 18, "2.0.0": 36, "2.1.0": 4, "3": 9 * 8, "6": 1 * 1 * 4}
    assert joined.fan_ins((5, 6, 2), 4) == truth
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
        ((Conv(size=0), Flatten()), "the size of a filter must be 1 or more"),
        ((C, GlobalSelfAttention("cubic"), Flatten()), "the scaling of attention is one of linear, sqrt"),
        ((C, GlobalSelfAttention(mechanism="tanh"), Flatten()), "is one of softmax, identity, abs, relu"),
        ((C, GlobalSelfAttention("sqrt"), Flatten()), "closed form for the mechanism identity alone: use that, or"),
        ((C, GlobalSelfAttention(W_key_std=0.0), Flatten()), "deviations of its weights must be > 0"),
        ((C, GlobalSelfAttention(head=0), Flatten()), "a head has 1 channel or more"),
        ((C, GlobalSelfAttention(value_positions=True), Flatten()), "set positions=PositionalEmbedding"),
        ((C, PositionalEmbedding(0.0), Flatten()), "W_std must be > 0"),
        ((C, PositionalEmbedding(decay=-1.0), Flatten()), "and decay, where there is one"),
        ((PositionalEmbedding(), Flatten()), "adds to the images themselves.*put a Conv before it"),
        ((GlobalSelfAttention(positions=PositionalEmbedding()), Flatten()), "adds to the images themselves"),
        ((Flatten(), GlobalSelfAttention()), "layer 1, GlobalSelfAttention.* cannot stand after the head"),
        ((C, Residual((A, Conv(b_std=-1.0))), Flatten()), "b_std >= 0"),
        ((A, Flatten(), D), "acts on the images themselves"),
        ((C, A, A, Flatten(), D), "acts on what is not Gaussian: put a Conv or a Dense directly before"),
        ((C, Flatten(), A, D), "acts on what is not Gaussian"),
        ((C, A, Residual((C, A, C)), A, Flatten()), "acts on what is not Gaussian"),
        ((C, Residual((A,)), Flatten()), "must end with a Conv"),
        ((C, Residual(()), Flatten()), "must end with a Conv"),
        ((Conv(stride=0), Flatten()), "the stride of a filter must be 1 or more"),
        ((Conv(padding="REFLECT"), Flatten()), "padding of a convolution is one of SAME, VALID, CIRCULAR"),
        ((C, AvgPool(0), Flatten()), "the size and the stride of a pool must be 1 or more"),
        ((C, LayerNorm(eps=0.0), Flatten()), "eps must be > 0"),
        ((C, A, LayerNorm(), Flatten()), "acts on what is not Gaussian: put a Conv or a Dense directly before"),
        ((LayerNorm(), Flatten()), "acts on the images themselves"),
        ((C, Sum(((C,),)), Flatten()), "a sum has two branches or more"),
        (
            (C, Sum(((C, A), (C, A))), Flatten()),
            "2 of its branches do not end with a Conv or an attention, and",
        ),
        ((C, Sum(((), ())), Flatten()), "2 of its branches do not end with a Conv"),
        ((C, Concat(((C,),)), Flatten()), "a concatenation has two branches or more"),
        ((C, Concat(((C,), (C,))), A, Flatten()), "acts on what is not Gaussian"),
        ((Concat(((C,), ())), Flatten()), "images have not the channels of a branch"),
        ((C, Residual((A, Conv(stride=2))), Flatten()), r"branches have the strides \[2, 1\], and must have the same"),
        ((C, Sum(((Dense(),), ())), Flatten()), "a branch is made of Conv.*got Dense"),
        (
            (C, Residual((A, AvgPool(), C)), Flatten()),
            "a branch is made of Conv, Activation, LayerNorm.*put a pool between blocks",
        ),
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
        (lambda: resnet(20), "depth 10, 18, 34; got 20"),
        (
            lambda: Network((C, Conv(padding="VALID", size=5), Flatten())).check_images((4, 9, 1)),
            "Conv.*: 4 x 9 pixels reach it, but without padding its filter needs 5 x 5: use larger images",
        ),
        (
            lambda: Network((Conv(stride=2), AvgPool(3), Flatten())).check_images((4, 9, 1)),
            "AvgPool.*: 2 x 5 pixels reach it, but its window needs 3 x 3: use larger images",
        ),
        (
            lambda: Network((C, Sum(((Conv(padding="VALID"),), (C,))), Flatten())).check_images((5, 5, 1)),
            "of 5 x 5 pixels its branches leave 3 x 3 and 5 x 5: use padding='SAME'",
        ),
        (
            lambda: Network((C, A, Concat(((C,), ())), Residual((C,)), Flatten())).check_images((5, 5, 1)),
            "its branches leave 1 and 2 times the channels of a layer: end each with a Conv",
        ),
        (
            lambda: vit(1, patch=1).check_images((32, 32, 3)),
            "32 x 32 pixels reach it, 1024 tokens, and at most 256 are allowed.*put larger patches, a stride or a pool",
        ),
        (lambda: vit(1, patch=8).check_images((7, 9, 3)), "7 x 9 pixels reach it, but without padding its filter"),
        (lambda: myrtle(6), "depth 5, 7, 10; got 6"),
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
