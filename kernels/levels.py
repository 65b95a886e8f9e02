"""The plan of offsets: which band each resolution of a network needs. Pure integers.

A Flatten head needs offset 0 alone, a convolution or an activation no more offsets than the layers after it, a 2x2
average pool radius 2r + 1 for radius r after it. At 32x32 the KIP ConvNet thus needs radius 7, 3, 1, 0: 225 offsets of
3,969 at full resolution, and no approximation. A global average pool needs them all, and holds them wrapped.
"""

from typing import NamedTuple

from kerneldistill.kernels.layers import AvgPool, Flatten, GlobalAvgPool, PixelLayer, leaves
from kerneldistill.kernels.networks import Network
from kerneldistill.kernels.offsets import Offsets


class Level(NamedTuple):
    """The layers of one resolution.

    offsets: those of its band, and its pixels.
    layers: convolutions, activations and residual blocks, in order.
    end: the pool or head that ends it.
    """

    offsets: Offsets
    layers: tuple[PixelLayer, ...]
    end: AvgPool | Flatten | GlobalAvgPool


def levels(network: Network, height: int, width: int) -> tuple[Level, ...]:
    """Splits the layers up to the head by resolution, with the radius that each needs."""
    parts: list[list] = [[]]
    for layer in network.layers[: network.head + 1]:
        parts[-1].append(layer)
        if isinstance(layer, AvgPool):
            parts.append([])
    sizes = [(height >> i, width >> i) for i in range(len(parts))]
    radii = [(0, 0)] * len(parts)
    for i in reversed(range(len(parts))):
        match parts[i][-1]:
            case AvgPool():
                ry, rx = radii[i + 1]
                radii[i] = 2 * ry + 1, 2 * rx + 1
            case GlobalAvgPool():
                radii[i] = sizes[i][0] - 1, sizes[i][1] - 1
    # A wrapped band is halved by a pool only where both sizes are even.
    full = all((ry, rx) == (h - 1, w - 1) for (ry, rx), (h, w) in zip(radii, sizes, strict=True))
    wrapped = full and all(h % 2 == w % 2 == 0 for h, w in sizes[:-1])
    return tuple(
        Level(Offsets(*size, *radius, wrapped), tuple(part[:-1]), part[-1])
        for size, radius, part in zip(sizes, radii, parts, strict=True)
    )


def points(network: Network, height: int, width: int, channels: int) -> int:
    """Pixel pairs that one kernel entry passes through layers, all levels: what its cost is proportional to."""
    plan = levels(network, height, width)
    if network.fully_connected:
        return height * width * channels
    return sum(level.offsets.points * max(1, len(list(leaves(level.layers)))) for level in plan)
