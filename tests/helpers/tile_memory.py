"""What XLA gives the programs of a tile beside their arguments.

`python -m tests.helpers.tile_memory NAME` prints the bytes of a block and of a pullback of a case below, on one device.
In a process of its own, since the suite compiles without optimisation, which takes other memory.
"""

import sys
from typing import NamedTuple

import jax
import numpy as np

from kerneldistill.kernels.architectures import conv_net, conv_vec, resnet, vit
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.layers import Activation, AvgPool, Conv, Dense, Flatten
from kerneldistill.kernels.network import Network

COLUMNS = 32


class Case(NamedTuple):
    """network: the spec. shape: (h, w, c) of images. dtype: of the tiles."""

    network: Network
    shape: tuple[int, int, int]
    dtype: str


WINDOWS = Network((Conv(), Activation(), AvgPool(3), Conv(), Activation(), Flatten(), Dense()))
CASES = {
    "8x8": Case(conv_net(2), (8, 8, 1), "float32"),
    "16x16, global mean": Case(conv_net(2, global_pool=True), (16, 16, 3), "float32"),
    "28x28, no pools": Case(conv_vec(3), (28, 28, 1), "float32"),
    "32x32, strides": Case(resnet(10), (32, 32, 3), "float32"),
    "20x20, windows": Case(WINDOWS, (20, 20, 3), "float32"),
    "32x32, 16 patches": Case(vit(2, patch=8), (32, 32, 3), "float32"),
    "32x32, 64 patches": Case(vit(1), (32, 32, 3), "float32"),
    "32x32, float64": Case(conv_net(3), (32, 32, 3), "float64"),
}


def main(name: str) -> None:
    """Compiles both programs."""
    jax.config.update("jax_enable_x64", True)
    network, shape, dtype = CASES[name]
    engine = ExactEngine(network, "ntk", shape, np.dtype(dtype), tuple(jax.devices()[:1]))
    rows, columns = (
        jax.eval_shape(program, jax.ShapeDtypeStruct((count, *shape), dtype))
        for program, count in ((engine._support_features, 2), (engine._target_features, COLUMNS))
    )
    parts = jax.tree.map(lambda row: jax.ShapeDtypeStruct((1, *row.shape), row.dtype), rows)
    weights = jax.ShapeDtypeStruct((COLUMNS, len(rows)), dtype)
    saved = jax.eval_shape(engine._k_ts_saving, rows, columns)[1]
    for program in (engine._k_ts.lower(rows, columns), engine._pullback.lower(rows, columns, weights, parts, saved)):
        print(program.compile().memory_analysis().temp_size_in_bytes)


if __name__ == "__main__":
    main(sys.argv[1])
