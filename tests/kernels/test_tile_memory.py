"""The bytes of tiles, beside those of compiled programs."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kerneldistill.kernels.architectures import conv_net
from kerneldistill.kernels.batching import tiling
from kerneldistill.kernels.device_kinds import CPU
from kerneldistill.kernels.image_features import features
from kerneldistill.kernels.network import Network
from kerneldistill.kernels.tile_memory import deviations, tiles
from tests.helpers import tile_memory
from tests.helpers.kernels import engine
from tests.helpers.networks import CASES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("network", "shape"), CASES.values(), ids=CASES)
def test_the_deviations_kept_are_counted(network: Network, shape: tuple[int, int, int]) -> None:
    images = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    kept = jax.eval_shape(lambda x: features(network, x), images).stds
    assert deviations(network, shape) == sum(std.size for std in kept.values())


@pytest.mark.parametrize(("network", "shape"), CASES.values(), ids=CASES)
def test_tiles_grow_with_their_pairs_and_precision(network: Network, shape: tuple[int, int, int]) -> None:
    one, more, precise = (tiles(network, shape, "ntk", *how, CPU) for how in ((16, 4), (48, 4), (16, 8)))
    for single, triple, double in zip(one, more, precise, strict=True):
        assert single.total < double.total <= 2 * single.total < triple.total <= 3 * single.total
    assert one.reverse.total >= one.forward.total > 0
    assert tiles(network, shape, "nngp", 16, 4, CPU).reverse.total <= one.reverse.total


def test_narrow_bands_take_a_fraction_of_wrapped_ones() -> None:
    flatten, mean = (tiles(conv_net(3, global_pool=mean), (32, 32, 3), "ntk", 16, 4, CPU) for mean in (False, True))
    assert 2 * flatten.reverse.total < mean.reverse.total


def test_where_images_are_large_chunks_are_bounded_by_their_bytes() -> None:
    own = engine(CASES["fc"][0], (32, 32, 3), dtype=np.float32)
    assert own.chunk(50_000, 1) * 32 * 32 * 3 * 4 <= 1.1 * 2**26


@pytest.mark.slow
@pytest.mark.parametrize("name", tile_memory.CASES)
def test_tiles_take_what_the_compiler_gives_them(name: str) -> None:
    command = [sys.executable, "-m", "tests.helpers.tile_memory", name]
    environment = {**os.environ, "XLA_FLAGS": ""}
    answer = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    network, shape, dtype = tile_memory.CASES[name]
    pairs = min(tile_memory.COLUMNS, tiling(network, shape, np.dtype(dtype), CPU).group)
    own = tiles(network, shape, "ntk", pairs, np.dtype(dtype).itemsize, CPU)
    for predicted, found in zip(own, map(int, answer.stdout.split()), strict=True):
        assert predicted.total == pytest.approx(found, rel=0.25)
