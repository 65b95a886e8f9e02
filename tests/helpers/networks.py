"""Small networks, one of each kind, with images that the slow reference can afford."""

import jax.numpy as jnp

from kerneldistill.kernels.activations.hermite import Hermite
from kerneldistill.kernels.architectures import conv_net, conv_vec, fc_net, myrtle, wide_resnet
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten, GlobalAvgPool, Residual
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
    "dense tail": (Network((C, A, GlobalAvgPool(), Dense(), A, Dense(1.0, 0.5))), (3, 3, 1)),
}
