"""Small networks, one of each kind, with images that the slow reference can afford."""

import jax.numpy as jnp

from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, wide_resnet
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
from kerneldistill.kernels.network import Network

A, C = Activation(), Conv()
# A block within a block, shortcuts of both kinds, layers of different weights, and no bias anywhere.
NESTED = Network(
    (
        Conv(1.0, 0.0),
        Residual((Residual((A, Conv(0.9, 0.0)), Conv(1.2, 0.0)), A, Conv(1.1, 0.0))),
        AvgPool(),
        A,
        Flatten(),
        Dense(1.3, 0.0),
    )
)

# Filters of every size, a projection as a shortcut.
FILTERS = Network((Conv(size=5), Residual((A, Conv(size=5)), Conv(1.1, size=1)), AvgPool(), A, Flatten(), Dense()))

# Strides in a chain and in a block, with the 1x1 shortcut of a ResNet; what follows has other pixels.
STRIDED = (C, Residual((A, Conv(stride=2), A, Conv(1.1)), Conv(0.9, 0.2, size=1, stride=2)), A, Conv(size=1), A)
# Circular among padded with zeros, before and behind a pool.
CIRCULAR = (Conv(padding="CIRCULAR"), A, Conv(1.1), A, AvgPool(), Conv(size=5, padding="CIRCULAR"), A)
# Branches of several kinds, one of them the identity behind another block; channels of two widths and of one.
JOINED = (
    C,
    A,
    Concat(((Conv(1.3, 0.3), A), (), (Conv(0.8, size=1),))),
    Concat(((), (Conv(0.7),))),
    Sum(((Conv(1.2), A, Conv(0.9)), (Conv(size=1),))),
    A,
)

# Attention of both scalings over patches, with positions of every kind; a perceptron of tokens between.
PATCHES = Conv(size=2, stride=2, padding="VALID")
SOFTMAX = GlobalSelfAttention(W_query_std=1.5, W_value_std=0.8, b_std=0.2)
SQUARED = GlobalSelfAttention("sqrt", "identity", 0.9, 1.1, 0.8, 0.7, 0.1, PositionalEmbedding(0.4), head=4)
TOKENS = (
    PATCHES,
    PositionalEmbedding(0.6, 0.5),
    Residual((LayerNorm(), SOFTMAX)),
    Residual((LayerNorm(), Conv(size=1), A, Conv(size=1))),
    LayerNorm(),
)
SEEN = GlobalSelfAttention(mechanism="relu", positions=PositionalEmbedding(0.5, 0.3))
VALUED = GlobalSelfAttention(
    "linear", "identity", 0.5, 0.6, positions=PositionalEmbedding(0.7), value_positions=True, b_std=0.3
)
SQUARED_VALUED = GlobalSelfAttention(
    "sqrt", "identity", 0.3, positions=PositionalEmbedding(0.4, 1.0), value_positions=True
)

# Each with an image shape (h, w, c).
CASES: dict[str, tuple[Network, tuple[int, int, int]]] = {
    "fc": (fc_net(2, activation="gelu"), (2, 3, 2)),
    "conv_net, odd": (conv_net(1), (5, 7, 1)),
    "conv_net, standard": (conv_net(1, prepend=False, activation="erf").standard(6), (4, 4, 3)),
    "conv_net, mean": (conv_net(1, prepend=False, global_pool=True), (4, 4, 2)),
    "conv_net, mean, odd": (conv_net(1, prepend=False, global_pool=True), (3, 5, 2)),
    "conv_vec": (conv_vec(1, activation=Hermite(jnp.cos)), (3, 2, 4)),
    "myrtle": (myrtle(5, pools=0, activation="identity"), (4, 5, 2)),
    "wide_resnet": (wide_resnet(1, groups=2).standard(5), (4, 4, 1)),
    "nested": (NESTED, (4, 3, 2)),
    "filters": (FILTERS, (4, 5, 1)),
    "filters, mean": (Network((Conv(size=5), A, GlobalAvgPool(), Dense())).standard(3), (4, 6, 1)),
    "even filters": (
        Network((Conv(size=2), Residual((A, Conv(size=4)), Conv(size=2)), A, Conv(size=4, stride=3), A, Flatten())),
        (7, 5, 2),
    ),
    "even filters, mean": (
        Network((Conv(size=4), A, Conv(size=2), A, GlobalAvgPool(), Dense())).standard(3),
        (4, 5, 1),
    ),
    "even filters, others": (
        Network((Conv(size=2, padding="CIRCULAR"), A, Conv(size=2, padding="VALID"), A, AvgPool(), Flatten())),
        (5, 7, 1),
    ),
    "strided": (Network((*STRIDED, Flatten(), Dense())), (4, 6, 2)),
    "strided, odd": (Network((*STRIDED, Conv(stride=3), A, GlobalAvgPool(), Dense())), (5, 7, 1)),
    "strided, mean": (Network((*STRIDED, GlobalAvgPool(), Dense())).standard(3), (4, 8, 1)),
    "strided behind a pool": (Network((C, A, AvgPool(), Conv(stride=2), A, GlobalAvgPool())), (8, 4, 1)),
    "strided behind an odd pool": (Network((C, A, AvgPool(3, 1), Conv(stride=2), A, AvgPool(), Flatten())), (9, 6, 1)),
    "strided before a pool": (Network((Conv(stride=2), A, AvgPool(), Conv(), A, Flatten())), (8, 10, 1)),
    "unpadded": (Network((Conv(padding="VALID"), A, AvgPool(), Conv(stride=2), A, Flatten())), (7, 8, 1)),
    "unpadded, mean": (Network((C, A, Conv(padding="VALID", stride=2), A, GlobalAvgPool())).standard(3), (5, 6, 1)),
    "circular": (Network((*CIRCULAR, Flatten(), Dense())), (6, 4, 2)),
    "circular, mean": (Network((*CIRCULAR, GlobalAvgPool(), Dense())), (4, 6, 1)),
    "circular, strided": (
        Network((Conv(padding="CIRCULAR", stride=2), A, CIRCULAR[0], A, AvgPool(), Flatten())),
        (8, 4, 1),
    ),
    "circular, odd": (Network((CIRCULAR[0], A, AvgPool(), C, A, AvgPool(), Flatten())), (7, 5, 1)),
    "circular, then padded": (Network((CIRCULAR[0], A, AvgPool(), C, A, AvgPool(), Flatten())), (4, 4, 1)),
    "circular, then unpadded": (Network((CIRCULAR[0], A, Conv(padding="VALID"), A, GlobalAvgPool())), (4, 5, 1)),
    "pools": (Network((C, A, AvgPool(3), C, A, AvgPool(1), Flatten(), Dense())), (7, 6, 2)),
    "pools, overlapping": (Network((C, A, AvgPool(3, 2), C, A, AvgPool(2, 1), Flatten(), Dense())), (8, 7, 1)),
    "pools, apart, mean": (Network((C, A, AvgPool(2, 3), C, A, GlobalAvgPool())), (6, 9, 1)),
    "pools, mean": (Network((C, A, AvgPool(3), C, A, GlobalAvgPool(), Dense())).standard(4), (6, 3, 1)),
    "normalised": (Network((C, LayerNorm(), A, AvgPool(), C, LayerNorm(whole=True), A, Flatten(), Dense())), (4, 4, 2)),
    "normalised vectors": (Network((Flatten(), Dense(), LayerNorm(eps=0.1), A, Dense())), (2, 3, 1)),
    "joined": (Network((*JOINED, AvgPool(), Flatten(), Dense())), (4, 4, 2)),
    "joined, standard": (Network((*JOINED, GlobalAvgPool(), Dense())).standard(5), (3, 3, 2)),
    "patches": (Network((PATCHES, A, Conv(size=4, stride=4, padding="VALID"), A, Flatten())), (9, 10, 1)),
    "attention": (Network((*TOKENS, GlobalAvgPool(), Dense())), (4, 6, 2)),
    "attention, standard": (Network((*TOKENS, SEEN, GlobalAvgPool(), Dense())).standard(6), (4, 4, 2)),
    "attention, dropped pixels": (Network((PATCHES, VALUED, Conv(padding="VALID", size=1), A, Flatten())), (5, 6, 1)),
    "attention, smaller behind": (Network((SOFTMAX, Conv(padding="VALID"), A, GlobalAvgPool(), Dense())), (3, 4, 1)),
    "attention before a pool": (Network((C, A, SOFTMAX, A, AvgPool(), C, A, Flatten(), Dense())), (4, 4, 1)),
    "attention behind a pool": (Network((C, A, AvgPool(), SEEN, A, SQUARED, GlobalAvgPool(), Dense())), (4, 4, 1)),
    "attention, squared": (Network((PATCHES, Residual((SQUARED,)), A, Flatten(), Dense())).standard(5), (4, 4, 2)),
    "attention, squared values": (Network((C, SQUARED_VALUED, A, GlobalAvgPool(), Dense())), (2, 3, 2)),
    "attention, abs, circular": (
        Network((CIRCULAR[0], A, GlobalSelfAttention(mechanism="abs"), CIRCULAR[0], A, AvgPool(2), Flatten())),
        (4, 2, 1),
    ),
    "positions alone": (Network((C, PositionalEmbedding(0.5, 0.2), A, AvgPool(), C, A, Flatten(), Dense())), (4, 4, 1)),
    "dense tail": (Network((C, A, GlobalAvgPool(), Dense(), A, Dense(1.0, 0.5))), (3, 3, 1)),
}
