"""Sums of arrays over processes, with the same bits in each.

What moves is bytes, between the first devices of the processes, by whatever joins them: ICI, NCCL, gloo. The sums are
taken on the host, so that float64 stays float64 on every backend. A sum of n bytes over p processes:

    each process cuts its n bytes into p pieces and sends piece j to process j      (p - 1) / p n out of each (swap)
    process j adds its p pieces, in the order of the processes
    each process sends its sum to all                                               (p - 1) / p n out of each (spread)

Every element is summed at one place in one order, and the sum is copied: the processes hold equal bits by construction.
"""

from collections.abc import Sequence
from functools import cached_property

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

# Bytes move as these: on every backend, two or one of them to a number.
WORD = np.uint32


class ExchangeError(Exception):
    """The processes could not exchange data: one of them is gone, or the network is."""


class Exchange:
    """The devices through which processes exchange arrays.

    Args:
      devices: one of each process, in their order
    """

    def __init__(self, devices: Sequence[jax.Device]) -> None:
        self._mesh = Mesh(np.array(devices), ("process",))
        self.count = len(devices)

    def total(self, vector: np.ndarray) -> np.ndarray:
        """The sum over processes of a vector [n] of 4- or 8-byte numbers.

        Raises:
          ExchangeError: the processes are not all there.
        """
        size = len(vector)
        pieces = np.pad(vector, (0, -size % self.count)).reshape(self.count, -1)
        swapped = self._run(self.swap, pieces.view(WORD)[None]).view(vector.dtype)
        return self.gather(_in_order(swapped.reshape(self.count, -1))).ravel()[:size]

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The arrays [...] of all processes, of one shape, as [processes, ...].

        Raises:
          ExchangeError: the processes are not all there.
        """
        words = np.ascontiguousarray(array).reshape(-1).view(WORD)[None]
        return self._run(self.spread, words).view(array.dtype).reshape(self.count, *array.shape)

    @cached_property
    def swap(self):
        """[process, to, words] to [from, process, words], sharded by `process`."""
        return self._jit(lambda x: jax.lax.all_to_all(x, "process", 1, 0), P(None, "process"))

    @cached_property
    def spread(self):
        """[process, words], sharded by `process`, to the same on every process."""
        return self._jit(lambda x: jax.lax.all_gather(x, "process", tiled=True), P())

    def _jit(self, function, out_specs):
        sharded = jax.shard_map(function, mesh=self._mesh, in_specs=P("process"), out_specs=out_specs, check_vma=False)
        return jax.jit(sharded)

    def place(self, words: np.ndarray) -> jax.Array:
        """This process's part [1, ...] of an array that is sharded by `process`."""
        return jax.make_array_from_process_local_data(NamedSharding(self._mesh, P("process")), words)

    def _run(self, program, words: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(program(self.place(words)).addressable_shards[0].data)
        except (RuntimeError, ValueError) as error:  # as gloo and NCCL differ
            raise ExchangeError(" ".join(str(error).split())[:300]) from error


def _in_order(pieces: np.ndarray) -> np.ndarray:
    """The sum over the first axis, from the first to the last."""
    found = pieces[0].copy()
    for piece in pieces[1:]:
        found += piece
    return found
