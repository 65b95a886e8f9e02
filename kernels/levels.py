"""The plan of offsets: which band each resolution of a network needs. Pure integers.

A Flatten head needs offset 0 alone, a convolution or an activation no more offsets than the layers after it, a 2x2
average pool radius 2r + 1 for radius r after it. At 32x32 the KIP ConvNet thus needs radius 7, 3, 1, 0: 225 offsets of
3,969 at full resolution, and no approximation. A global average pool needs them all, and holds them wrapped.
"""

from dataclasses import replace
from typing import NamedTuple

from kerneldistill.kernels.layers import Activation, Flatten
from kerneldistill.kernels.layers.layer import End, Layer, Shape, leaves
from kerneldistill.kernels.network import Network, activations
from kerneldistill.kernels.offsets import Offsets


class Level(NamedTuple):
    """The layers of one resolution.

    offsets: those of its band, and its pixels.
    layers: convolutions, activations and residual blocks, by path, in order.
    end: the pool or head that ends it.
    """

    offsets: Offsets
    layers: dict[str, Layer]
    end: End

    @property
    def activations(self) -> dict[str, Activation]:
        """Those among the layers."""
        return activations(self.layers)


def levels(network: Network, height: int, width: int) -> tuple[Level, ...]:
    """Split the layers up to the head by resolution, with the radius that each needs."""
    parts: list[tuple[dict[str, Layer], End]] = []
    own: dict[str, Layer] = {}
    for path, layer in list(network.named.items())[: network.head + 1]:
        if isinstance(layer, End):
            parts.append((own, layer))
            own = {}
        else:
            own[path] = layer
    shape: Shape = (height, width, 1)
    sizes: list[tuple[int, int]] = []
    for _, end in parts:
        sizes.append(shape[:2])
        shape = end.shape_after(shape, 1)
    radii, radius = [], (0, 0)
    for (_, end), size in zip(reversed(parts), reversed(sizes), strict=True):
        radius = end.radius_before(radius, size)
        radii.insert(0, radius)
    # A wrapped band is halved by a pool only where both sizes are even.
    full = all((ry, rx) == (h - 1, w - 1) for (ry, rx), (h, w) in zip(radii, sizes, strict=True))
    wrapped = full and all(h % 2 == w % 2 == 0 for h, w in sizes[:-1])
    return tuple(
        Level(Offsets(*size, ry, rx, wrapped), layers, end)
        for size, (ry, rx), (layers, end) in zip(sizes, radii, parts, strict=True)
    )


def deviation_levels(network: Network, height: int, width: int) -> tuple[Level, ...]:
    """Plan the levels that the standard deviations of all activations need: those up to the last activation.

    Nothing after it is needed, and it meets offset 0 alone: at 32x32 the KIP ConvNet's need radius 3, 1, 0.
    """
    if activations(network.tail):
        return levels(network, height, width)
    paths = [path for path, layer in network.named.items() if activations({path: layer})]
    if not paths:
        return ()
    last = list(network.named).index(paths[-1])
    return levels(replace(network, layers=(*network.layers[: last + 1], Flatten())), height, width)


def points(network: Network, height: int, width: int, channels: int) -> int:
    """Pixel pairs that one kernel entry passes through layers, all levels: what its cost is proportional to."""
    if network.fully_connected:
        return height * width * channels
    plan = levels(network, height, width)
    return sum(level.offsets.points * max(1, len(leaves(level.layers))) for level in plan)
