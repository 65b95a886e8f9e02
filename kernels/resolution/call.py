"""A call of a kernel on a TPU, and what it takes, counted from its blocks."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu


class Call(NamedTuple):
    """A kernel, called by trees of arrays; its body gets the same trees of references, with those of memory at last.

    body: of the kernel
    steps: of its grid
    flops: operations, for the compiler to know, which cannot look inside
    ins, outs: blocks of its arguments and results
    shapes: of the results
    scratch: memory of the core
    """

    body: Callable[..., None]
    steps: tuple[int, ...]
    flops: int
    ins: tuple[Any, ...]
    outs: tuple[Any, ...]
    shapes: tuple[Any, ...]
    scratch: tuple[Any, ...]

    def __call__(self, arguments: tuple[Any, ...], core_bytes: int, interpret: Any) -> tuple[Any, ...]:
        """Call it. core_bytes: of the core's memory that it may take. interpret: see `pl.pallas_call`."""
        call = pl.pallas_call(
            self.body,
            grid=self.steps,
            in_specs=self.ins,
            out_specs=self.outs,
            out_shape=self.shapes,
            scratch_shapes=self.scratch,
            cost_estimate=pl.CostEstimate(flops=self.flops, bytes_accessed=self.moved, transcendentals=0),
            compiler_params=pltpu.CompilerParams(
                dimension_semantics=("parallel", "arbitrary", "arbitrary"), vmem_limit_bytes=core_bytes
            ),
            interpret=interpret,
        )
        # Mosaic has no indices of 64 bits.
        with jax.enable_x64(False):
            return call(*arguments)

    @property
    def moved(self) -> int:
        """Bytes to and from the device's memory: a block is moved when the next step asks for another."""
        return sum(_turns(spec, self.steps) * self.padded(spec.block_shape) for spec in self._specs)

    @property
    def held(self) -> int:
        """Bytes of the core's memory for blocks and scratch; a block that changes is there twice, while one moves."""
        blocks = sum((1 + (_turns(spec, self.steps) > 1)) * self.padded(spec.block_shape) for spec in self._specs)
        return blocks + sum(self.padded(part.shape) for part in jax.tree.leaves(self.scratch))

    @property
    def _specs(self) -> list[pl.BlockSpec]:
        return jax.tree.leaves((self.ins, self.outs))

    def padded(self, shape: Sequence[Any] | None) -> int:
        """Bytes of an array of numbers like the results, in tiles of 8 x 128."""
        assert shape is not None
        *rest, rows, lanes = (1 if size is None else size for size in shape)
        return prod(rest) * -(-rows // 8) * 8 * -(-lanes // 128) * 128 * jax.tree.leaves(self.shapes)[0].dtype.itemsize


def _turns(spec: pl.BlockSpec, steps: tuple[int, ...]) -> int:
    """Count the blocks that the steps ask for, one after the other."""
    assert spec.index_map is not None
    turns = np.indices(steps, np.int32).reshape(len(steps), -1)
    with jax.ensure_compile_time_eval():
        asked = np.stack([np.broadcast_to(index, turns[0].shape) for index in spec.index_map(*turns)])
    return 1 + int(np.any(asked[:, 1:] != asked[:, :-1], axis=0).sum())
