"""Networks as data: a frozen tuple of layers, checked when made, and the architectures of the field.

A network is images -> convolutional layers -> one head (Flatten or GlobalAvgPool) -> dense layers -> one output. A
fully connected network starts with Flatten.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten, GlobalAvgPool, Layer, Residual
from kerneldistill.kernels.validation import check_image_shape, check_layers


@dataclass(frozen=True)
class Network:
    """An infinitely wide network.

    layers: in order of application.
    parameterization: "ntk" (Jacot et al. 2018), or "standard": the improved one of Sohl-Dickstein et al. 2020
      (2001.07301), whose tangent kernel weighs each layer by its fan-in.
    width: of the hidden layers, for "standard" alone: the N of the network whose wide limit is meant.

    Raises:
      ValueError: for a layer in an impossible place, or one whose kernel would be another.
    """

    layers: tuple[Layer, ...]
    parameterization: Literal["ntk", "standard"] = "ntk"
    width: int | None = None

    def __post_init__(self) -> None:
        check_layers(self.layers)
        if self.parameterization not in ("ntk", "standard"):
            raise ValueError(f"unknown parameterization {self.parameterization!r}: it is 'ntk' or 'standard'")
        if self.parameterization == "ntk" and self.width is not None:
            raise ValueError(f"width {self.width} has no meaning in the NTK parameterisation: leave it out")
        if self.parameterization == "standard" and (self.width is None or self.width < 1):
            raise ValueError(f"the standard parameterisation needs a width >= 1; got {self.width}")

    @property
    def head(self) -> int:
        """Index of the head in `layers`."""
        return next(i for i, layer in enumerate(self.layers) if isinstance(layer, Flatten | GlobalAvgPool))

    @property
    def fully_connected(self) -> bool:
        """Whether pixels meet only their equals from the start: products of whole images, no bands."""
        return isinstance(self.layers[0], Flatten)

    def standard(self, width: int) -> "Network":
        """The same network in the standard parameterisation, with hidden layers of `width`."""
        return replace(self, parameterization="standard", width=width)

    def check_images(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError where images of `shape` (h, w, c) cannot pass the network's pools."""
        check_image_shape(self.layers, shape)

    def fan_ins(self, image_shape: tuple[int, int, int], width: int) -> list[int]:
        """Inputs of each output of every Conv and Dense, in the order of `kerneldistill.kernels.layers.leaves`."""
        height, breadth, channels = image_shape
        pools = sum(isinstance(layer, AvgPool) for layer in self.layers)
        pixels = (height >> pools) * (breadth >> pools)
        found: list[int] = []

        def follow(layers: Sequence[Layer], channels: int) -> None:
            for layer in layers:
                match layer:
                    case Conv() | Dense():
                        found.append(channels * (9 if isinstance(layer, Conv) else 1))
                        channels = width
                    case Flatten():
                        channels *= pixels
                    case Residual(branch, shortcut):
                        follow(branch, channels)
                        follow(() if shortcut is None else (shortcut,), channels)
                        channels = width

        follow(self.layers, channels)
        return found

    def sized(self, image_shape: tuple[int, int, int]) -> "Network":
        """The network whose layers know their fan-in, where the standard parameterisation needs it.

        Raises:
          ValueError: images of this shape (h, w, c) cannot pass the pools.
        """
        self.check_images(image_shape)
        if self.parameterization == "ntk":
            return self
        return replace(self, layers=_with_fan_ins(self.layers, iter(self.fan_ins(image_shape, self.width))))


def _with_fan_ins(layers: Sequence[Layer], fan_ins: Iterator[int]) -> tuple[Layer, ...]:
    def sized(layer: Layer | None) -> Layer | None:
        match layer:
            case Conv() | Dense():
                return replace(layer, fan_in=next(fan_ins))
            case Residual(branch, shortcut):
                return Residual(_with_fan_ins(branch, fan_ins), sized(shortcut))
        return layer

    return tuple(sized(layer) for layer in layers)


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
    conv, act = Conv(W_std, b_std), Activation(activation)
    layers = ((conv, act) if prepend else ()) + (conv, act, AvgPool()) * depth
    return Network((*layers, _head(global_pool), Dense(W_std, b_std)))


def conv_vec(depth: int, W_std: float = sqrt(2), b_std: float = 0.1, activation: str = "relu") -> Network:
    """KIP's ConvVec (2107.13034): `depth` of conv and activation, no pooling, Flatten, a linear output."""
    conv, dense = Conv(W_std, b_std), Dense(W_std, b_std)
    return Network((conv, Activation(activation)) * depth + (Flatten(), dense))


def myrtle(depth: int, W_std: float = sqrt(2), b_std: float = 0.1, pools: int = 3, activation: str = "relu") -> Network:
    """Myrtle-5, 7 or 10 (Shankar et al. 2020, 2003.02237): blocks of convs with a pool after each.

    pools: how many poolings of 2x2 follow the last block; 3 takes 32x32 images to one pixel.
    """
    blocks = {5: (2, 1, 1), 7: (2, 2, 2), 10: (3, 3, 3)}
    if depth not in blocks:
        raise ValueError(f"a Myrtle network has depth 5, 7 or 10; got {depth}")
    conv, dense = Conv(W_std, b_std), Dense(W_std, b_std)
    first, second, third = ((conv, Activation(activation)) * count for count in blocks[depth])
    layers = (*first, AvgPool(), *second, AvgPool(), *third, *(AvgPool(),) * pools)
    return Network((*layers, Flatten(), dense))


def wide_resnet(
    blocks_per_group: int,
    W_std: float = sqrt(2),
    b_std: float = 0.1,
    activation: str = "relu",
    groups: int = 3,
    global_pool: bool = True,
) -> Network:
    """A wide ResNet (Zagoruyko & Komodakis 2016, 1605.07146): groups of pre-activation blocks, without batch norm.

    A block is activation, conv, activation, conv beside its shortcut: a conv in the first block of a group, the
    identity in the others. Two differences: a 2x2 average pool stands between groups where the paper's convolutions
    have stride 2, and the conv of a shortcut is 3x3 as in neural-tangents' example, where the paper's is 1x1.
    """
    if blocks_per_group < 1 or groups < 1:
        raise ValueError(f"a wide ResNet has blocks_per_group >= 1 and groups >= 1; got {blocks_per_group}, {groups}")
    conv, act = Conv(W_std, b_std), Activation(activation)
    branch = (act, conv, act, conv)
    group = (Residual(branch, conv), *(Residual(branch),) * (blocks_per_group - 1))
    body = (conv, *group, *(AvgPool(), *group) * (groups - 1), act)
    return Network((*body, _head(global_pool), Dense(W_std, b_std)))


def _head(global_pool: bool) -> Flatten | GlobalAvgPool:
    return GlobalAvgPool() if global_pool else Flatten()
