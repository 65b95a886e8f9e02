"""Train a small encoder in flax on prepared data, for example of `kdistill run digits`, and learn by its features.

python -m scripts.examples.train_encoder runs/digits/prepared    # writes encoder.msgpack
kdistill run digits --kernel.network features --kernel.encoder scripts.examples.train_encoder:phi --dir runs/features
"""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from flax import serialization

import kerneldistill as kd


class Encoder(nn.Module):
    """[n, 512] of images [n, h, w, c], 8 x 8 or more: convolutions with pools, and the means over quarters."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for width in (32, 64, 128):
            x = nn.relu(nn.Conv(width, (3, 3))(x))
            x = nn.avg_pool(x, (2, 2), (2, 2)) if min(x.shape[1:3]) > 3 else x
        return nn.avg_pool(x, quarter := (x.shape[1] // 2, x.shape[2] // 2), quarter).reshape(len(x), -1)


def trained(data: kd.pipeline.Prepared, epochs: int) -> Any:
    """Weights by whose features a linear layer classifies train; 300 steps where `epochs` are fewer."""
    net: Any = nn.Sequential([Encoder(), nn.Dense(len(data.manifest.class_names))])
    steps = max(300, epochs * len(images := data.train.images) // 128)
    adam, rng = optax.adam(optax.cosine_decay_schedule(2e-3, steps)), np.random.default_rng(0)
    params: Any = net.init(jax.random.key(0), images[:1])
    memory = adam.init(params)

    @jax.jit
    def step(params: Any, memory: Any, x: jax.Array, y: jax.Array) -> tuple:
        of = optax.softmax_cross_entropy_with_integer_labels
        updates, memory = adam.update(jax.grad(lambda p: of(net.apply(p, x), y).mean())(params), memory)
        return optax.apply_updates(params, updates), memory

    for rows in rng.integers(len(images), size=(steps, 128)):
        params, memory = step(params, memory, images[rows], data.train.labels[rows])
    return {"params": params["params"]["layers_0"]}


restore: Any = cache(lambda: serialization.msgpack_restore(Path("encoder.msgpack").read_bytes()))


def phi(images: jax.Array) -> Any:
    return Encoder().apply(restore(), images)


if __name__ == "__main__":
    Path("encoder.msgpack").write_bytes(serialization.to_bytes(trained(kd.load_prepared(sys.argv[1]), epochs=4)))
