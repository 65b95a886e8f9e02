"""Networks as data: a frozen tuple of layers, checked when made, and the architectures of the field.

A network is images -> convolutional layers -> one head (Flatten or GlobalAvgPool) -> dense layers -> one output. A
fully connected network starts with Flatten.
"""

from dataclasses import dataclass
from math import sqrt

from kernels.layers import Activation, AvgPool, Conv, Dense, Flatten, GlobalAvgPool, Layer


@dataclass(frozen=True)
class Network:
    """An infinitely wide network, NTK parameterisation.

    layers: in order of application.

    Raises:
      ValueError: for a layer in an impossible place or an unknown activation.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        heads = [i for i, layer in enumerate(self.layers) if isinstance(layer, Flatten | GlobalAvgPool)]
        if len(heads) != 1:
            raise ValueError(f"a network has exactly one head (Flatten or GlobalAvgPool); this one has {len(heads)}")
        for i, layer in enumerate(self.layers):
            side = "before" if isinstance(layer, Dense) else "after"
            if (i < heads[0] and side == "before") or (i > heads[0] and isinstance(layer, Conv | AvgPool)):
                raise ValueError(f"layer {i}, {layer}, cannot stand {side} the head, {self.layers[heads[0]]}")
            if isinstance(layer, Conv | Dense) and (layer.W_std <= 0 or layer.b_std < 0):
                raise ValueError(f"layer {i}, {layer}: W_std must be > 0 and b_std >= 0")

    @property
    def head(self) -> int:
        """Index of the head in `layers`."""
        return next(i for i, layer in enumerate(self.layers) if isinstance(layer, Flatten | GlobalAvgPool))

    def check_images(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError where images of `shape` (h, w, c) cannot pass the network's pools."""
        if len(shape) != 3:
            raise ValueError(f"images must be [n, height, width, channels]; got images of shape {shape}")
        pools = sum(isinstance(layer, AvgPool) for layer in self.layers)
        if min(shape[:2]) < 2**pools:
            raise ValueError(
                f"images of {shape[0]} x {shape[1]} are too small for {pools} poolings of 2 x 2: "
                f"at least {2**pools} x {2**pools} is needed; use fewer blocks"
            )


def fc_net(depth: int, W_std: float = sqrt(2), b_std: float = 0.1, activation: str = "relu") -> Network:
    """`depth` hidden layers and a linear output (KIP's FC1 is depth 1; Nguyen et al. 2021, 2011.00050)."""
    dense = Dense(W_std, b_std)
    return Network((Flatten(), *(dense, Activation(activation)) * depth, dense))


def conv_net(
    depth: int,
    prepend: bool = True,
    W_std: float = sqrt(2),
    b_std: float = 0.1,
    activation: str = "relu",
    global_pool: bool = False,
) -> Network:
    """KIP's ConvNet (2107.13034): `depth` blocks of conv, activation, 2x2 average pool; Flatten; a linear output.

    `prepend` puts one conv and activation before the blocks (the paper's "ConvNet"; without it, "ConvNet3").
    """
    conv, dense = Conv(W_std, b_std), Dense(W_std, b_std)
    act = Activation(activation)
    head = GlobalAvgPool() if global_pool else Flatten()
    return Network(((conv, act) if prepend else ()) + (conv, act, AvgPool()) * depth + (head, dense))


def conv_vec(depth: int, W_std: float = sqrt(2), b_std: float = 0.1, activation: str = "relu") -> Network:
    """KIP's ConvVec (2107.13034): `depth` of conv and activation, no pooling, Flatten, a linear output."""
    conv, dense = Conv(W_std, b_std), Dense(W_std, b_std)
    return Network((conv, Activation(activation)) * depth + (Flatten(), dense))


def myrtle(depth: int, W_std: float = sqrt(2), b_std: float = 0.1, pools: int = 3) -> Network:
    """Myrtle-5, 7 or 10 (Shankar et al. 2020, 2003.02237): blocks of convs with a pool after each.

    pools: how many poolings of 2x2 follow the last block; 3 takes 32x32 images to one pixel.
    """
    blocks = {5: (2, 1, 1), 7: (2, 2, 2), 10: (3, 3, 3)}
    if depth not in blocks:
        raise ValueError(f"a Myrtle network has depth 5, 7 or 10; got {depth}")
    conv, dense = Conv(W_std, b_std), Dense(W_std, b_std)
    first, second, third = ((conv, Activation("relu")) * count for count in blocks[depth])
    layers = (*first, AvgPool(), *second, AvgPool(), *third, *(AvgPool(),) * pools)
    return Network((*layers, Flatten(), dense))
