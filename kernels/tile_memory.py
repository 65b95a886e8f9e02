"""What the tiles of a network hold in memory, from its spec alone: integers, nothing is compiled or run.

A program of the engine works on one tile at a time: the columns laid out for slicing, the bands and stacks of planes
between resolutions, and the planes of the resolution at work. How many planes are alive at once is the compiler's
choice: it was counted in the programs of eleven networks (8x8 to 32x32, every head, both precisions; `memory_analysis`
of XLA's CPU compiler), of which the sums below are within 15 %. Where a kernel of a TPU passes a resolution
(`resolution.passing`), no plane and no stack of them is there; of v5e's programs for the KIP ConvNet, with Flatten and
with a global mean, the sums are 0.85 to 0.99.
"""

from math import prod
from typing import NamedTuple

from kerneldistill.kernels.device_kinds import DeviceKind
from kerneldistill.kernels.layers.stack import Stack
from kerneldistill.kernels.levels import Level, levels
from kerneldistill.kernels.names import KernelKind
from kerneldistill.kernels.network import Network, activations
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.resolution.base import Side
from kerneldistill.kernels.resolution.passing import Passing, side_of

# Planes of the resolution at work. Forward: a few of NNGP and NTK; in reverse what every activation keeps of its inputs
# and answers, of one block of the plane at a time, and where blocks are joined NNGP and NTK and their cotangents.
_FORWARD_PLANES = 5
_REVERSE_PLANES_PER_ACTIVATION = 6
_JOINED_PLANES = 4
# The same where a band is passed whole, of whole bands: some of the layer at work, and of each layer in reverse.
_WHOLE_FORWARD = 6
_WHOLE_REVERSE = 2
# Planes where nothing keeps any: of products, and in reverse of their cotangents.
_BARE_FORWARD, _BARE_REVERSE = 1, 2
# Arrays that an activation lays out per column: its factors. Two for ReLU and GELU, one for erf.
_FACTORS = 2


class Tile(NamedTuple):
    """Bytes on a device while a program works on one tile, beside what it is given.

    columns: laid out for slicing by row offset, and the row where a kernel takes it for all pairs
    bands: between resolutions, as stacks of planes and as pooled bands
    planes: of the resolution at work
    """

    columns: int
    bands: int
    planes: int

    @property
    def total(self) -> int:
        return self.columns + self.bands + self.planes


class Tiles(NamedTuple):
    """forward: of a block; the features of images take no more. reverse: of a pullback."""

    forward: Tile
    reverse: Tile


class _Resolution(NamedTuple):
    """Values per pair of images at one resolution.

    fused: whether a kernel of a TPU passes it
    columns: laid out
    row: an image's own pixels and factors
    band: of one kernel entering it; 0 at the first, which makes its own from pixels
    stack: of one kernel leaving it plane by plane
    plane: one plane
    activations: of the planes of all activations
    """

    fused: bool
    columns: int
    row: int
    band: int
    stack: int
    plane: int
    activations: int


def deviations(network: Network, image_shape: tuple[int, int, int]) -> int:
    """Count the standard deviations of an image: one per activation and pixel; of an attention its weights."""
    if network.fully_connected:
        return len(network.activations)
    plan = levels(network, *image_shape[:2])
    kept = sum(prod(layer.kept(p.places[path])) for p in plan for path, layer in p.activations.items())
    return kept + len(activations(network.tail))


def saved(network: Network, image_shape: tuple[int, int, int], kind: KernelKind) -> int:
    """Count the values that `k_ts_saving` keeps of an entry: bands that enter all resolutions but the first."""
    if network.fully_connected:
        return 0
    return (1 + (kind == "ntk")) * sum(level.offsets.points for level in levels(network, *image_shape[:2])[1:])


def tiles(
    network: Network, image_shape: tuple[int, int, int], kind: KernelKind, pairs: int, itemsize: int, device: DeviceKind
) -> Tiles:
    """Compute the bytes of a tile of `pairs` columns whose numbers take `itemsize` bytes each.

    A tile of a fully connected network is a whole block: `pairs` are all its entries.
    """
    kernels, unit = 1 + (kind == "ntk"), pairs * itemsize
    if network.fully_connected:
        depth = len(network.activations)
        return Tiles(Tile(0, 0, 2 * unit), Tile(0, 0, _REVERSE_PLANES_PER_ACTIVATION * depth * unit))
    plan = levels(network, *image_shape[:2])
    how, dtype = Passing.on(device), "float32" if itemsize == 4 else "float64"
    sides = [side_of(level, image_shape[2] if i == 0 else 0, pairs, dtype) for i, level in enumerate(plan)]
    sizes = [_resolution(level, side, how.fuses(level, side)) for level, side in zip(plan, sides, strict=True)]
    columns = sum(size.columns for size in sizes) * unit
    found = []
    for level, size, after in zip(plan, sizes, [*sizes[1:], None], strict=True):
        leaving = 0 if after is None else after.band
        if size.fused:
            # In reverse a band and its cotangent, and the row and its gradient.
            forward = Tile(columns + size.row * unit, kernels * (size.band + leaving) * unit, 0)
            reverse = Tile(columns + 2 * size.row * unit, kernels * 2 * max(size.band, leaving) * unit, 0)
        else:
            bands = kernels * (size.band + size.stack + leaving) * unit
            forward, reverse = (Tile(columns, bands, count * unit) for count in _at_work(level, size, unit, device))
        found.append((forward, reverse))
    return Tiles(*(max(each, key=lambda t: t.total) for each in zip(*found, strict=True)))


def _at_work(level: Level, size: _Resolution, unit: int, device: DeviceKind) -> tuple[int, int]:
    """Values of the planes that XLA's program of a resolution works on, forward and in reverse."""
    if level.whole:
        least = _WHOLE_FORWARD * size.plane
        return least, max(least, _WHOLE_REVERSE * size.activations)
    if isinstance(level.end, Stack) and not size.activations:
        return _BARE_FORWARD * size.plane, _BARE_REVERSE * size.plane
    reverse = _REVERSE_PLANES_PER_ACTIVATION * size.activations
    blocks = level.offsets.blocks(unit, device.block_bytes)
    if blocks > 1:
        reverse = reverse // blocks + _JOINED_PLANES * size.plane
    return _FORWARD_PLANES * size.plane, max(_FORWARD_PLANES * size.plane, reverse)


def _resolution(level: Level, side: Side, fused: bool) -> _Resolution:
    """`side`: what an image brings."""
    if level.whole:
        return _whole(level)
    offsets, places = level.offsets, [level.places[path] for path in level.activations]
    arrays = [offsets] * len(side.pixels) + places * _FACTORS
    return _Resolution(
        fused=fused,
        columns=sum(_laid_out(place, fused) for place in arrays),
        row=sum(place.height * place.width for place in arrays),
        band=0 if side.pixels else offsets.points,
        stack=level.end.stack_values(level.joint),
        plane=_plane(offsets),
        activations=sum(map(_plane, places)),
    )


def _whole(level: Level) -> _Resolution:
    """Of a resolution whose band is passed whole: no plane, and all layers keep what they are given."""
    kept = sum(prod(layer.kept(level.places[path])) for path, layer in level.activations.items())
    places = level.places.values()
    return _Resolution(
        fused=False,
        columns=_FACTORS * kept,
        row=kept,
        band=level.offsets.points,
        stack=level.end.stack_values(level.joint),
        plane=max(place.points for place in places),
        activations=sum(place.points for place in places),
    )


def _plane(offsets: Offsets) -> int:
    return offsets.height * offsets.shape[1] * offsets.width


def _laid_out(offsets: Offsets, fused: bool) -> int:
    """Values of an image as the columns of a tile."""
    rows, cols = offsets.shape
    wide = offsets.width + cols - 1 if fused else cols * offsets.width
    return (offsets.height + offsets.step * (rows - 1)) * wide
