"""Steps and Label Solve on feature kernels at the size of many classes: seconds, rates and the peak of memory.

    python -m scripts.feature_scale --targets 50000 --classes 1000 --out scripts/results/feature-scale.json
    python -m scripts.feature_scale --photographs --targets 8192 --side 64

Images are made: patches of colour that differ from class to class, with noise, in a file that is mapped; or they are
squares of the two photographs that come with scikit-learn. The encoder is two convolutions of fixed random weights.
Peak memory is what the process holds beside mapped files (RssAnon). A record is added to those in FILE; each size
should have a process of its own.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from sklearn.datasets import load_sample_images

from kerneldistill.algorithms.feature_regression import FeatureRegression
from kerneldistill.algorithms.gradient import fit_of, loss_and_gradient
from kerneldistill.algorithms.label_solve import label_solve
from kerneldistill.algorithms.losses import half_mse
from kerneldistill.algorithms.support import real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.feature_kernel import Encoder, features
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime import devices

RIDGE = 1e-3


def encoder(size: int = 512) -> Encoder:
    """Features [n, size] of images [n, h, w, 3] of 32 x 32 or more: patches of patches, and the means over quarters."""
    rng = np.random.default_rng(0)
    first, second = (
        (rng.standard_normal(shape) / np.sqrt(np.prod(shape[:3]))).astype(np.float32)
        for shape in ((4, 4, 3, 32), (4, 4, 32, size // 4))
    )

    def phi(images: Array) -> Array:
        x = images
        for weights in map(jnp.asarray, (first, second)):
            numbers = ("NHWC", "HWIO", "NHWC")
            x = jax.nn.gelu(jax.lax.conv_general_dilated(x, weights, (4, 4), "SAME", dimension_numbers=numbers))
        n, height, width, channels = x.shape
        quarters = x[:, : height // 2 * 2, : width // 2 * 2].reshape(n, 2, height // 2, 2, width // 2, channels)
        return quarters.mean((2, 4)).reshape(n, -1)

    return phi


phi = encoder()


def mapped(folder: Path, count: int, side: int, fill: Callable[[np.ndarray], np.ndarray]) -> Split:
    """`count` images [side, side, 3] in a mapped file, which `fill` fills, with the labels that it gives."""
    images = np.memmap(folder / "images", np.float32, "w+", shape=(count, side, side, 3))
    labels = fill(images)
    images.flush()
    return Split(np.memmap(folder / "images", np.float32, "r", shape=images.shape), labels)


def made(images: np.ndarray, classes: int) -> np.ndarray:
    """Make images, class by class in turn."""
    count, side = images.shape[:2]
    colours = np.random.default_rng(1).standard_normal((classes, 4, 4, 3)).astype(np.float32)
    place = np.arange(side) * 4 // side
    labels = np.arange(count, dtype=np.int32) % classes
    for start in range(0, count, 500):
        own = slice(start, min(start + 500, count))
        noise = np.random.default_rng(start).standard_normal(images[own].shape, np.float32)
        images[own] = colours[labels[own]][:, place][:, :, place] + noise
    return labels


def photographed(images: np.ndarray) -> np.ndarray:
    """Cut squares from two photographs, in turn, evenly over all places."""
    count, side = images.shape[:2]
    for label, picture in enumerate(load_sample_images().images):
        squares = np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1))
        places = np.linspace(0, squares.shape[0] * squares.shape[1] - 1, len(images[label::2])).astype(int)
        for row, place in enumerate(places):
            images[label + 2 * row] = squares[divmod(place, squares.shape[1])].transpose(1, 2, 0) / 127.5 - 1
    return np.arange(count, dtype=np.int32) % 2


@contextmanager
def watched() -> Iterator[list[int]]:
    """Note the most bytes that the process holds beside mapped files while the block runs."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            peak[0] = max(peak[0], *(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def measured(split: Split, classes: int, per_class: int, folder: Path, solve: bool) -> dict[str, Any]:
    """Time what a run does on features, once compiled."""
    shape: Any = split.images.shape[1:]
    engine = FeatureEngine(features(phi), shape, np.dtype("float32"))
    targets, record = Targets(engine, split, classes, folder=folder), {}
    rows = np.concatenate([np.arange(per_class) * classes + label for label in range(classes)])
    support = real_support(split, rows, classes, engine.dtype)

    def timed(name: str, act: Any) -> Any:
        began = time.perf_counter()
        found = act()
        record[name] = round(time.perf_counter() - began, 3)
        return found

    timed("features_seconds", lambda: list(targets.chunks(len(rows), np.arange(4))))
    record["features_per_second"] = round(len(split) / record["features_seconds"])
    for name in ("first_step_seconds", "step_seconds"):
        found = timed(name, lambda: loss_and_gradient(engine, support, targets.chunks(len(rows)), RIDGE, half_mse))
    assert np.isfinite(found.images).all()
    record["entries_per_second"] = round(len(rows) * len(split) / record["step_seconds"])
    regression: FeatureRegression = fit_of(engine, support, RIDGE).regression
    record["system"] = f"{'primal' if regression.is_primal else 'dual'}, {regression.size} x {regression.size}"
    if solve:
        timed("label_solve_seconds", lambda: label_solve(engine, support.images, targets, RIDGE))
    return {"support": len(rows), "features": engine.size, **record}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--per-class", type=int, default=10, help="images of the support in each class")
    parser.add_argument("--side", type=int, default=32, help="pixels of an image's side")
    parser.add_argument("--photographs", action="store_true", help="squares of real photographs, of two classes")
    parser.add_argument("--no-solve", action="store_true", help="leave Label Solve out")
    parser.add_argument("--out", type=Path, help="a JSON file to add the record to")
    args = parser.parse_args()
    devices.setup()
    classes = 2 if args.photographs else args.classes
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fill = photographed if args.photographs else partial(made, classes=classes)
        split = mapped(place, args.targets, args.side, fill)
        with watched() as peak:
            found = measured(split, classes, args.per_class, place, not args.no_solve)
    shape = {"targets": args.targets, "classes": classes, "side": args.side, "devices": len(jax.devices())}
    if args.photographs:
        shape["images"] = "photographs"
    record = {**shape, **found, "peak_bytes": peak[0]}
    print(json.dumps(record))
    if args.out is not None:
        before = json.loads(args.out.read_text()) if args.out.exists() else []
        args.out.write_text(json.dumps([*before, record], indent=1) + "\n")


if __name__ == "__main__":
    main()
