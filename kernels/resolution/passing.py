"""Who passes planes through a resolution: XLA's loops (`base`) or, where a TPU's core can hold it, a kernel (`fused`).

The one place where that is chosen, by the engine's devices (`device_kinds`).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from kerneldistill.kernels.device_kinds import CPU, DeviceKind
from kerneldistill.kernels.layers.cov import Cov
from kerneldistill.kernels.levels import Level
from kerneldistill.kernels.offsets import Offsets
from kerneldistill.kernels.resolution import base
from kerneldistill.kernels.resolution.base import Side
from kerneldistill.kernels.resolution.whole import propagate_whole


class Passing(NamedTuple):
    """block_bytes, core_bytes, plane_bytes: see `DeviceKind`. interpret: what `pl.pallas_call` is told, to try one."""

    block_bytes: int | None = CPU.block_bytes
    core_bytes: int = 0
    interpret: Any = False
    plane_bytes: int = CPU.plane_bytes

    @staticmethod
    def on(device: DeviceKind) -> "Passing":
        """Choose by a kind of device."""
        return Passing(device.block_bytes, device.core_bytes, plane_bytes=device.plane_bytes)

    def fuses(self, level: Level, side: Side) -> bool:
        """Whether a kernel passes a level, to which an image brings arrays such as `side`, `[..., pairs]`."""
        if not (self.core_bytes and level.layers and level.uniform):
            return False
        if jax.tree.leaves(side)[0].dtype != jnp.float32:
            return False
        from kerneldistill.kernels.resolution.fused import needed_bytes

        return needed_bytes(level, side) <= usable(self.core_bytes)

    def lay_out(self, level: Level, side: Side) -> Side:
        """Lay arrays `[h, w, pairs]` of a group of images out as the columns of a tile."""
        return side if level.whole else side.at(level, Offsets.framed if self.fuses(level, side) else Offsets.columns)

    def propagate(self, level: Level, with_ntk: bool, rows: Side, cols: Side, before: Cov | None, reverse: bool) -> Cov:
        """Compute `base.propagate_resolution` of columns that `lay_out` made; differentiable in rows and band.

        reverse: whether it will be differentiated.
        """
        if level.whole and before is not None:
            return propagate_whole(level, with_ntk, rows, cols, before)
        if not self.fuses(level, cols):
            block_bytes = self.block_bytes if reverse or self._overflows(level, (cols, before)) else None
            return base.propagate_resolution(level, with_ntk, rows, cols, before, block_bytes)
        from kerneldistill.kernels.resolution.fused import Given, propagate_resolution

        pairs = jax.tree.leaves(cols)[0].shape[-1]
        filled = jax.tree.map(lambda x: jnp.broadcast_to(x, (*x.shape[:-1], pairs)), rows)
        limit = usable(self.core_bytes)
        return propagate_resolution(level, with_ntk, Given(filled, cols, before), limit, self.interpret)

    def _overflows(self, level: Level, given: tuple[Side, Cov | None]) -> bool:
        """Whether a plane is larger than planes should be, so that it pays to cut it for its value alone.

        The wrapped planes of a global mean are, 2 MiB at 32 x 32: an entry took 23.6 ms of a core whole, 8.6 in blocks.
        """
        columns, offsets = jax.tree.leaves(given)[0], level.offsets
        plane = offsets.height * offsets.shape[1] * offsets.width * columns.shape[-1] * columns.dtype.itemsize
        return plane > self.plane_bytes


def side_of(level: Level, channels: int, pairs: int, dtype: str) -> Side:
    """The shapes of what images bring to a level: `channels` of pixels, 0 but for the first, and factors."""

    def of(height: int, width: int) -> Any:
        return jax.ShapeDtypeStruct((height, width, pairs), dtype)

    places = level.places
    factors = {
        path: jax.eval_shape(layer.factors, of(*layer.kept(places[path]))) for path, layer in level.activations.items()
    }
    pixels: Any = (of(level.offsets.height, level.offsets.width),) * channels
    return Side(pixels, factors)


def usable(core_bytes: int) -> int:
    """Bytes of a core's memory that a kernel may take: the compiler keeps some for itself."""
    return core_bytes - core_bytes // 16
