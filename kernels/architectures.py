"""The architectures of the field. To add one, write its builder, a row below, and its name in `kernels.names`.

A builder takes `depth` and those fields of `kerneldistill.config.schema.KernelConfig` that it names.
"""

from collections.abc import Callable
from math import sqrt

from kerneldistill.kernels.layers import (
    Activation,
    AvgPool,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    GlobalSelfAttention,
    LayerNorm,
    PositionalEmbedding,
    Residual,
)
from kerneldistill.kernels.names import MYRTLE_DEPTHS, RESNET_DEPTHS, NetworkName
from kerneldistill.kernels.network import Network


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
        raise ValueError(f"a Myrtle network has depth {', '.join(map(str, MYRTLE_DEPTHS))}; got {depth}")
    conv, dense = Conv(W_std, b_std), Dense(W_std, b_std)
    first, second, third = ((conv, Activation(activation)) * count for count in blocks[depth])
    layers = (*first, AvgPool(), *second, AvgPool(), *third, *(AvgPool(),) * pools)
    return Network((*layers, Flatten(), dense))


def wide_resnet(
    depth: int,
    W_std: float = sqrt(2),
    b_std: float = 0.1,
    activation: str = "relu",
    groups: int = 3,
    global_pool: bool = True,
) -> Network:
    """A wide ResNet (Zagoruyko & Komodakis 2016, 1605.07146): groups of pre-activation blocks, without batch norm.

    depth: blocks of each group.

    A block is activation, conv, activation, conv beside its shortcut: a conv in the first block of a group, the
    identity in the others. Two differences: a 2x2 average pool stands between groups where the paper's convolutions
    have stride 2, and the conv of a shortcut is 3x3 as in neural-tangents' example, where the paper's is 1x1.
    """
    if depth < 1 or groups < 1:
        raise ValueError(f"a wide ResNet has depth >= 1 and groups >= 1; got {depth}, {groups}")
    conv, act = Conv(W_std, b_std), Activation(activation)
    branch = (act, conv, act, conv)
    group = (Residual(branch, conv), *(Residual(branch),) * (depth - 1))
    body = (conv, *group, *(AvgPool(), *group) * (groups - 1), act)
    return Network((*body, _head(global_pool), Dense(W_std, b_std)))


def resnet(
    depth: int, W_std: float = sqrt(2), b_std: float = 0.1, activation: str = "relu", global_pool: bool = True
) -> Network:
    """ResNet-10, 18 or 34 for small images, pre-activation (He et al. 2016, 1603.05027), without batch norm.

    Four stages of blocks of two 3x3 convs. The first block of the later ones halves the image by a stride of 2, and its
    shortcut is a 1x1 conv of stride 2 behind the block's first activation (PreActResNet18 of kuangliu/pytorch-cifar).
    All hidden layers have one width, where the paper doubles it with each stage.
    """
    blocks = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
    if depth not in blocks:
        raise ValueError(f"a ResNet has depth {', '.join(map(str, RESNET_DEPTHS))}; got {depth}")
    conv, act = Conv(W_std, b_std), Activation(activation)
    same = Residual((act, conv, act, conv))
    halving = Residual((Conv(W_std, b_std, stride=2), act, conv), Conv(W_std, b_std, size=1, stride=2))
    first, *later = blocks[depth]
    stages = [layer for count in later for layer in (act, halving, *(same,) * (count - 1))]
    return Network((conv, *(same,) * first, *stages, act, _head(global_pool), Dense(W_std, b_std)))


def vit(depth: int, W_std: float = sqrt(2), b_std: float = 0.1, activation: str = "relu", patch: int = 4) -> Network:
    """A vision transformer (Dosovitskiy et al. 2020, 2010.11929) of the attention that has a kernel (2006.10540).

    Patches of `patch` x `patch` pixels as tokens, with learned positions; `depth` layers of attention and of a
    perceptron, each behind a layer norm and beside a shortcut; a norm, the mean over the tokens.

    Three differences to DeiT-Ti, the judge `vit`, which so has no such kernel: q . k is divided by the channels of a
    head, with one matrix for both, and not by their root, for which softmax has no closed form; the mean over the
    tokens stands for the token of the class; the perceptron is as wide as the tokens, a width that no kernel sees. The
    finite twin is the judge `kip-vit`. Positions are as small beside the patches as DeiT's at the start, of weights of
    one deviation: a patch of 4x4 pixels of 3 channels has 48.
    """
    conv, act = Conv(W_std, b_std, size=1), Activation(activation)
    embedding = Conv(W_std, b_std, size=patch, stride=patch, padding="VALID"), PositionalEmbedding(W_std / sqrt(48))
    attention = Residual((LayerNorm(), GlobalSelfAttention(W_query_std=W_std, W_key_std=W_std, b_std=b_std)))
    layers = (attention, Residual((LayerNorm(), conv, act, conv))) * depth
    return Network((*embedding, *layers, LayerNorm(), GlobalAvgPool(), Dense(W_std, b_std)))


def _head(global_pool: bool) -> Flatten | GlobalAvgPool:
    return GlobalAvgPool() if global_pool else Flatten()


ARCHITECTURES: dict[NetworkName, Callable[..., Network]] = {
    "fc": fc_net,
    "conv_net": conv_net,
    "conv_vec": conv_vec,
    "myrtle": myrtle,
    "wide_resnet": wide_resnet,
    "resnet": resnet,
    "vit": vit,
}
