"""Train a flax network of your own on the images of a bundle, and on as many random real ones, and compare on test.

    kdistill run digits
    python -m scripts.examples.judge_with_flax runs/digits/bundle runs/digits/prepared [--steps 300]

The prepared data are whitened as the bundle is; raw images of yours go through `kd.load(bundle).whiten(images)` first.
"""

import argparse
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import kerneldistill as kd


def small_conv_net(outputs: int) -> nn.Module:
    """[n, outputs] of images [n, h, w, c]."""
    blocks = [[nn.Conv(64, (3, 3)), nn.relu, lambda x: nn.avg_pool(x, (2, 2), (2, 2))] for _ in range(2)]
    return nn.Sequential([*blocks[0], *blocks[1], lambda x: x.reshape(len(x), -1), nn.Dense(outputs)])


def accuracy(images: np.ndarray, labels: np.ndarray, test: kd.pipeline.Split, steps: int, seed: int) -> float:
    """Test accuracy of a network that Adam trained on all images at once, by the mean square to their labels."""
    network, adam = small_conv_net(labels.shape[1]), optax.adam(1e-3)
    params: Any = network.init(jax.random.key(seed), images)
    memory, outputs = adam.init(params), jax.jit(lambda p, x: jnp.asarray(network.apply(p, x)))
    slope = jax.jit(jax.grad(lambda p: jnp.mean((outputs(p, images) - labels) ** 2)))
    for _ in range(steps):
        updates, memory = adam.update(slope(params), memory)
        params = optax.apply_updates(params, updates)
    return float(np.mean(outputs(params, test.images).argmax(1) == test.labels))


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network on a distilled set and on real images.")
    parser.add_argument("bundle", help="folder of a bundle")
    parser.add_argument("prepared", help="folder of the prepared data that it was distilled from")
    parser.add_argument("--steps", type=int, default=300, help="training steps (default 300)")
    args = parser.parse_args()
    distilled, data = kd.load(args.bundle), kd.load_prepared(args.prepared)
    one_hot = np.eye(len(distilled.class_names), dtype=np.float32)
    print(f"{distilled}\nTest accuracy of a ConvNet trained on {len(distilled)} images:")
    for seed in range(3):
        rng, classes = np.random.default_rng(seed), distilled.class_ids
        rows = [rng.choice(np.flatnonzero(data.train.labels == label)) for label in classes]
        learned = accuracy(distilled.images, distilled.labels, data.test, args.steps, seed)
        real = accuracy(data.train.images[rows], one_hot[classes], data.test, args.steps, seed)
        print(f"  seed {seed}: the distilled set {learned:.1%}, random real images {real:.1%}")


if __name__ == "__main__":
    main()
