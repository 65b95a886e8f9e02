"""Kernel ridge regression on your own images: the exact NTKs of three networks beside a linear kernel.

    python -m scripts.examples.kernel_regression [--train 300]

Nothing is trained: a kernel and one linear system give the prediction of an infinitely wide network that is trained to
the end by gradient descent.
"""

import argparse
import time
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import kerneldistill as kd

NETWORKS = {
    "fully connected, 2 hidden layers": kd.kernels.fc_net(2),
    "convolutions, then all pixels": kd.kernels.conv_vec(2),
    "convolutions and pools": kd.kernels.conv_net(2),
}


def regress(k_ss: np.ndarray, k_ts: np.ndarray, labels: np.ndarray, ridge: float = 1e-2) -> np.ndarray:
    """Outputs [t, k] of the regression from labels [s], as k_ts (k_ss + ridge I)^-1 one-hot."""
    relative = ridge * np.trace(k_ss) / len(k_ss)
    return k_ts @ np.linalg.solve(k_ss + relative * np.eye(len(k_ss)), np.eye(10)[labels])


def main() -> None:
    """Print the test accuracy of each kernel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=300, help="images to regress from (default 300)")
    size = parser.parse_args().train

    digits: Any = load_digits()
    images = ((digits.images - digits.images.mean()) / digits.images.std()).astype(np.float32)[..., None]
    own, other = images[:size], images[-300:]  # [n, h, w, c]

    def linear(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a.reshape(len(a), -1) @ b.reshape(len(b), -1).T

    kernels = {"linear": linear}
    for name, network in NETWORKS.items():
        kernels[name] = lambda a, b, network=network: np.asarray(kd.kernels.gram(network, a, b), np.float64)
    print(f"{size} digits predict 300 others\n{'kernel':34} accuracy  seconds")
    for name, kernel in kernels.items():
        began = time.perf_counter()
        outputs = regress(kernel(own, own), kernel(other, own), digits.target[:size])
        accuracy = np.mean(outputs.argmax(1) == digits.target[-300:])
        print(f"{name:34} {accuracy:8.1%} {time.perf_counter() - began:8.1f}")


if __name__ == "__main__":
    main()
