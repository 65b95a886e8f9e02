"""How many images are worked on together, the lanes of every array in a tile, and how the last lanes are filled."""

from typing import NamedTuple, overload

import jax.numpy as jnp
import numpy as np
from jax import Array

from kerneldistill.kernels.compiler_options import Compile, as_it_is
from kerneldistill.kernels.device_kinds import CPU, DeviceKind
from kerneldistill.kernels.levels import levels
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.resolution.passing import Passing


class Tiling(NamedTuple):
    """How a block is cut into tiles, and how each is compiled.

    group: columns of a tile, and images whose deviations are computed together
    passing: how planes pass a resolution
    compiled: see `compiler_options.one_routine`
    """

    group: int = CPU.lanes
    passing: Passing = Passing()
    compiled: Compile = as_it_is


# Of programs that no engine makes.
PLAIN = Tiling()


def tiling(
    network: Network, image_shape: tuple[int, ...], dtype: np.dtype, device: DeviceKind, compiled: Compile = as_it_is
) -> Tiling:
    """Cut for a kind of device: as many columns as a plane of the largest level allows, a power of 2 of at most 512."""
    plan = levels(network, *image_shape[:2])
    plane = max(p.at_once for p in plan) * np.dtype(dtype).itemsize
    group = max(device.lanes, min(512, 1 << max(1, device.plane_bytes // plane).bit_length() - 1))
    return Tiling(group, Passing.on(device), compiled)


@overload
def filled(x: np.ndarray, size: int) -> np.ndarray: ...
@overload
def filled(x: Array, size: int) -> Array: ...
def filled(x: Array | np.ndarray, size: int) -> Array | np.ndarray:
    """x [n, ...] as [size, ...]: copies of its last entry follow, as the kernel is not smooth at an image of zeros."""
    if len(x) == size:
        return x
    module = np if isinstance(x, np.ndarray) else jnp
    return module.concatenate([x, module.repeat(x[-1:], size - len(x), axis=0)])


def even_chunk(images: int, most: int, devices: int) -> int:
    """The size of even chunks of `images`: at most `most`, rounded up to what `devices` share evenly."""
    each = -(-images // -(-images // most))
    return -(-each // devices) * devices
