"""The plan of offsets: which band each resolution of a network needs. Pure integers.

A Flatten head needs offset 0 alone, a convolution or an activation no more offsets than the layers after it, a 2x2
average pool radius 2r + 1 for radius r after it. At 32x32 the KIP ConvNet thus needs radius 7, 3, 1, 0: 225 offsets of
3,969 at full resolution, and no approximation. A global average pool needs them all.
"""

from typing import NamedTuple

from kernels.layers import AvgPool, Flatten, GlobalAvgPool, PixelLayer, leaves
from kernels.networks import Network


class Level(NamedTuple):
    """The layers of one resolution.

    height, width: pixels.
    ry, rx: offsets -ry..ry and -rx..rx are held.
    layers: convolutions, activations and residual blocks, in order.
    end: the pool or head that ends it.
    """

    height: int
    width: int
    ry: int
    rx: int
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
    ry = rx = 0
    plan: list[Level] = []
    for (h, w), part in zip(reversed(sizes), reversed(parts), strict=True):
        match part[-1]:
            case AvgPool():
                ry, rx = 2 * ry + 1, 2 * rx + 1
            case GlobalAvgPool():
                ry, rx = h - 1, w - 1
        plan.append(Level(h, w, ry, rx, tuple(part[:-1]), part[-1]))
    return tuple(reversed(plan))


def points(network: Network, height: int, width: int, channels: int) -> int:
    """Pixel pairs that one kernel entry passes through layers, all levels: what its cost is proportional to."""
    plan = levels(network, height, width)
    if not plan[0].layers:
        return height * width * channels
    return sum(
        (2 * p.ry + 1) * (2 * p.rx + 1) * p.height * p.width * max(1, sum(1 for _ in leaves(p.layers))) for p in plan
    )
