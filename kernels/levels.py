"""The plan of offsets: which band each resolution of a network needs. Pure integers.

A Flatten head needs offset 0 alone, a convolution or an activation no more offsets than the layers after it, a 2x2
average pool radius 2r + 1 for radius r after it. At 32x32 the KIP ConvNet thus needs radius 7, 3, 1, 0: 225 offsets of
3,969 at full resolution, and no approximation. A global average pool needs them all, and holds them wrapped; so does
attention. A stride s needs every s-th offset, and ends no resolution: a ResNet-18 with a global mean passes 16 offsets
from 32x32 to 4x4.
"""

from dataclasses import replace
from typing import NamedTuple

from kerneldistill.kernels.layers import AvgPool, Conv, Flatten
from kerneldistill.kernels.layers.layer import End, Joint, Layer, Shape, leaves, places, shape_after, strides
from kerneldistill.kernels.layers.per_image import PerImage
from kerneldistill.kernels.layers.stack import Stack
from kerneldistill.kernels.network import Network, activations
from kerneldistill.kernels.offsets import Offsets


class Level(NamedTuple):
    """The layers of one resolution, or of several where convolutions have a stride.

    offsets: those of its band, and its pixels.
    layers: convolutions, activations and blocks of branches, by path, in order.
    end: the pool or head that ends it.
    after: the offsets of the next level; None behind a head
    ending: those that its end wants, where attention held all; else None
    """

    offsets: Offsets
    layers: dict[str, Layer]
    end: End
    after: Offsets | None = None
    ending: Offsets | None = None

    @property
    def activations(self) -> dict[str, PerImage]:
        """Those among the layers, and what else needs something of each image."""
        return activations(self.layers)

    @property
    def places(self) -> dict[str, Offsets]:
        """The offsets of the inputs of each leaf."""
        return places(self.layers, self.offsets)[0]

    @property
    def whole(self) -> bool:
        """Whether its band is passed whole, and not plane by plane."""
        return _takes_bands(self.layers)

    @property
    def at_once(self) -> int:
        """Pairs of pixels that pass together: those of a plane, or all."""
        return self.offsets.points // (1 if self.whole else self.offsets.shape[0])

    @property
    def turns_round(self) -> bool:
        """Whether it has circular convolutions."""
        return _turns_round(self.layers)

    @property
    def leaving(self) -> Offsets:
        """The offsets of its last outputs."""
        return places(self.layers, self.offsets)[1]

    @property
    def joint(self) -> Joint:
        """The bands where it ends."""
        return Joint(self.leaving if self.ending is None else self.ending, self.after)

    @property
    def uniform(self) -> bool:
        """Whether it is one resolution of neighbouring offsets, with a head or a pool of 2 x 2 at its end."""
        joint, pool = self.joint, self.end if isinstance(self.end, AvgPool) else None
        alike = {self.offsets, joint.before, *self.places.values()} == {self.offsets}
        plain = self.offsets.step == 1 and not self.offsets.circular and not self.whole
        halves = pool is not None and pool.halves and joint.after is not None and joint.after.step == 1
        return alike and plain and (self.end.is_head or halves)


Part = tuple[dict[str, Layer], End]


def levels(network: Network, height: int, width: int) -> tuple[Level, ...]:
    """Split the layers up to the head by resolution, with the offsets that each needs.

    Raises:
      ValueError: a circular convolution stands where offsets modulo the image size cannot reach, or a stride behind
        attention.
    """
    parts = _parts(network)
    sizes = _sizes(parts, height, width)
    radii, wanted, radius, step = [], [], (0, 0), 1
    for (layers, end), (entering, leaving) in zip(reversed(parts), reversed(sizes), strict=True):
        radius, every = end.radius_before((step * radius[0], step * radius[1]), leaving), _every(layers, entering)
        wanted.insert(0, radius)
        radius, step = (max(radius[0], every[0]), max(radius[1], every[1])), strides(layers.values())
        radii.insert(0, (*radius, step))
    exact = [_keeps_edges(part, entering) for part, (entering, _) in zip(parts, sizes, strict=True)]
    # A wrapped band has no place for what a pool or a stride drops.
    whole = all(exact) and wanted[-1] == tuple(size - 1 for size in sizes[-1][1])
    attended = _attended(parts, sizes, exact)
    bands, endings, circular = [], [], True
    for n, ((entering, leaving), (ry, rx, step)) in enumerate(zip(sizes, radii, strict=True)):
        circular, wrapped = circular and any(_turns_round(layers) for layers, _ in parts[n:]), whole or n <= attended
        bands.append(Offsets(*entering, ry, rx, wrapped, step, circular and not wrapped))
        more = not whole and (n == attended or (n > attended and (ry, rx) != wanted[n]))
        endings.append(Offsets(*leaving, *wanted[n], wrapped=False, circular=circular) if more else None)
        circular = circular and exact[n]
    plan = tuple(
        Level(band, layers, end, after, ending)
        for (layers, end), band, after, ending in zip(parts, bands, [*bands[1:], None], endings, strict=True)
    )
    for level in plan:
        _check_circular(level)
        _check_every(level)
    return plan


def _parts(network: Network) -> list[Part]:
    """The layers up to the head, cut behind each pool, and before the first that takes whole bands."""
    parts: list[Part] = []
    own: dict[str, Layer] = {}
    for path, layer in list(network.named.items())[: network.head + 1]:
        if _takes_bands({path: layer}) and not _takes_bands(own) and (own or not parts):
            parts.append((own, Stack()))
            own = {}
        if isinstance(layer, End):
            parts.append((own, layer))
            own = {}
        else:
            own[path] = layer
    return parts


def _takes_bands(layers: dict[str, Layer]) -> bool:
    return any(leaf.takes_bands for leaf in leaves(layers).values())


def _sizes(parts: list[Part], height: int, width: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The pixels that enter each part, and those that reach its end."""
    shape: Shape = (height, width, 1)
    sizes = []
    for layers, end in parts:
        leaving = shape_after(layers.values(), shape, 1)
        sizes.append((shape[:2], leaving[:2]))
        shape = end.shape_after(leaving, 1)
    return sizes


def _keeps_edges(part: Part, size: tuple[int, int]) -> bool:
    """Whether neighbours over the edges of its outputs, if there were some, would be such of its inputs."""
    layers, end = part
    leaving = places(layers, Offsets(*size, 0, 0, wrapped=False, circular=True))[1]
    return leaving.circular and (end.is_head or end.offsets_after(leaving).circular)


def _every(layers: dict[str, Layer], size: tuple[int, int]) -> tuple[int, int]:
    """The radius that attention needs among layers which images of `size` enter: its pixels all meet."""
    found = places(layers, Offsets(*size, 0, 0, wrapped=False))[0]
    needed = [found[path] for path, leaf in leaves(layers).items() if leaf.every_offset]
    return max((place.height - 1 for place in needed), default=0), max((place.width - 1 for place in needed), default=0)


def _attended(parts: list[Part], sizes: list[tuple[tuple[int, int], tuple[int, int]]], exact: list[bool]) -> int:
    """Up to which part all offsets are held, modulo the size, for attention in it; -1: in none."""
    of_attention = [
        n for n, (layers, _) in enumerate(parts) if any(leaf.every_offset for leaf in leaves(layers).values())
    ]
    if not of_attention:
        return -1
    last = of_attention[-1]
    # The edges of that part's own end do not matter: attention's offsets are narrowed before it.
    return last if all(exact[:last]) and _keeps_edges((parts[last][0], Flatten()), sizes[last][0]) else -1


def _check_every(level: Level) -> None:
    for path, leaf in leaves(level.layers).items():
        if leaf.every_offset and level.places[path].step > 1:
            raise ValueError(
                f"layer {path}, {leaf}, stands before a stride of its resolution, and needs all offsets, not every "
                f"{level.places[path].step}: put strides before it, or a pool behind it"
            )


def _turns_round(layers: dict[str, Layer]) -> bool:
    return any(isinstance(leaf, Conv) and leaf.padding == "CIRCULAR" for leaf in leaves(layers).values())


def _check_circular(level: Level) -> None:
    for path, leaf in leaves(level.layers).items():
        if _turns_round({path: leaf}) and not (place := level.places[path]).wraps:
            raise ValueError(
                f"layer {path}, {leaf}, joins the edges of {place.height} x {place.width} pixels, which no neighbours "
                "are in the images: a pool, a stride or padding='VALID' before it drops pixels; use images whose sizes "
                "those divide, or padding='SAME' here"
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
    return sum(_price(level) or level.offsets.points for level in plan)


def _price(level: Level) -> int:
    found = leaves(level.layers)
    return sum(found[path].price(place) for path, place in level.places.items())
