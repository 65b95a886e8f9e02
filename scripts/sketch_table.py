"""Measure sketched features of a fully connected kernel: their error, their time, and what regression by them gives.

    python -m scripts.sketch_table runs/mnist/prepared --out scripts/results/sketch.json \\
        --figure scripts/results/sketch.svg

The data are a prepared set; kernels the NTK of a fully connected network of `--depth` hidden layers. First the error of
the products of features on 500 train images, relative in the Frobenius norm; then kernel ridge regression on a part of
train by the exact kernel and by sketches, and on all of train by sketches alone: of 60,000 images the exact kernel is
29 GB. The ridge, relative to the mean diagonal as everywhere here, is chosen for each on the validation split.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.kernels import ExactEngine, fc_net
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.feature_kernel import FeatureKernel
from kerneldistill.kernels.sketch import FcSketch
from kerneldistill.pipeline.prepared import Prepared, load
from kerneldistill.pipeline.split import Split
from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.runtime import devices
from kerneldistill.runtime.console import closing_table

RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
# Images whose products are added at a time.
BATCH = 2000
COMPARED = 500


@dataclass(frozen=True)
class Row:
    """One regression.

    features: numbers of an image; None for the exact kernel
    images: of train that it regresses from
    error: of the kernel on `COMPARED` images, relative; None for the exact kernel
    ridge: relative, chosen on validation
    accuracy: on test, 0..1
    seconds: of kernels or features of all images, and of the solution, with all ridges
    """

    features: int | None
    images: int
    error: float | None
    ridge: float
    accuracy: float
    seconds: tuple[float, float]


def encoded(phi: FcSketch, images: np.ndarray) -> np.ndarray:
    """Features [n, d] of images [n, h, w, c]."""
    return FeatureEngine(FeatureKernel(phi), images.shape[1:], images.dtype).encode(images)


def by_sketch(phi: FcSketch, data: Prepared, images: int, error: float) -> Row:
    """Regress from the first images of train in the primal: (F'F + ridge tr(K)/n I) w = F'y."""
    train = Split(data.train.images[:images], data.train.labels[:images])
    began = time.perf_counter()
    features, validation, test = (encoded(phi, split.images) for split in (train, data.validation, data.test))
    encoding, began = time.perf_counter() - began, time.perf_counter()
    parts = [features[start : start + BATCH] for start in range(0, images, BATCH)]
    scatter = np.zeros((features.shape[1],) * 2)
    for part in parts:
        scatter += part.T @ part
    right = features.T.astype(np.float64) @ centred_one_hot(train.labels, len(data.manifest.class_names))

    def weights(ridge: float) -> np.ndarray:  # the kernel and the scatter have one trace
        return Regression(scatter, ridge * len(scatter) / images).solve(right)

    ridge, accuracy = chosen(weights, validation, test, data)
    return Row(features.shape[1], images, error, ridge, accuracy, (encoding, time.perf_counter() - began))


def by_kernel(depth: int, data: Prepared, images: int) -> Row:
    """Regress from the first images of train by the exact kernel."""
    train = Split(data.train.images[:images], data.train.labels[:images])
    began = time.perf_counter()
    k_tt, validation, test = (
        kernel(depth, split.images, train.images) for split in (train, data.validation, data.test)
    )
    encoding, began = time.perf_counter() - began, time.perf_counter()
    labels = centred_one_hot(train.labels, len(data.manifest.class_names))
    k_tt = k_tt.astype(np.float64)

    def weights(ridge: float) -> np.ndarray:
        return Regression(k_tt, ridge).solve(labels)

    ridge, accuracy = chosen(weights, validation, test, data)
    return Row(None, images, None, ridge, accuracy, (encoding, time.perf_counter() - began))


def chosen(
    weights: Callable[[float], np.ndarray], validation: np.ndarray, test: np.ndarray, data: Prepared
) -> tuple[float, float]:
    """The ridge that classifies validation best, and the accuracy on test with it."""
    found = []
    for ridge in RIDGES:
        solved = weights(ridge)
        scores = [
            float(np.mean((features @ solved).argmax(1) == split.labels))
            for features, split in ((validation, data.validation), (test, data.test))
        ]
        found.append((scores[0], ridge, scores[1]))
    _, ridge, accuracy = max(found)
    return ridge, accuracy


def kernel(depth: int, targets: np.ndarray, support: np.ndarray) -> np.ndarray:
    """The exact kernel [t, s], in float32."""
    engine = ExactEngine(fc_net(depth), "ntk", support.shape[1:], np.dtype(np.float32))
    rows, size = engine.support_features(support), engine.chunk(len(targets), len(support))
    parts = [engine.k_ts(rows, engine.target_features(targets[i : i + size])) for i in range(0, len(targets), size)]
    return np.concatenate([np.asarray(part) for part in parts])[: len(targets)]


def figure(rows: list[Row]) -> str:
    """The error over the numbers of an image, as SVG."""
    points = sorted({(row.features, row.error) for row in rows if row.features is not None and row.error is not None})
    x, y = (np.array(values, float) for values in zip(*points, strict=True))
    lines = [
        Line("sketch", x, y, 0, dots=True),
        Line("1 / root of the size", x, y[0] * np.sqrt(x[0] / x), None, dashed=True),
    ]
    scales = Scales("numbers of an image", "relative error of the kernel", log_x=True, log_y=True)
    return line_chart("sketch", "Error of a sketched kernel", lines, scales).svg


def main() -> None:
    """Measure, print the table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", help="a prepared data set with a validation split")
    parser.add_argument("--depth", type=int, default=2, help="hidden layers (default: 2)")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 2048, 4096], help="of the sketches")
    parser.add_argument("--part", type=int, default=10_000, help="train images of the exact kernel (default: 10000)")
    parser.add_argument("--out", type=Path, help="where to write the rows as JSON")
    parser.add_argument("--figure", type=Path, help="where to write the figure as SVG")
    args = parser.parse_args()
    devices.setup()
    data = load(args.prepared)
    sample = data.train.images[:COMPARED]
    truth = kernel(args.depth, sample, sample)
    rows = [by_kernel(args.depth, data, args.part)]
    print(rows[0], flush=True)
    for size in args.sizes:
        phi = FcSketch(fc_net(args.depth), "ntk", size)
        features = encoded(phi, sample)
        error = float(np.linalg.norm(features @ features.T - truth) / np.linalg.norm(truth))
        for images in (args.part, len(data.train)):
            rows.append(by_sketch(phi, data, images, error))
            print(rows[-1], flush=True)
            if args.out:
                args.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if args.figure:
        args.figure.write_text(figure(rows))
    cells = [
        (
            "exact kernel" if row.features is None else f"{row.features:,} numbers",
            f"{row.images:,}",
            "" if row.error is None else f"{100 * row.error:.1f} %",
            f"{row.ridge:g}",
            f"{100 * row.accuracy:.2f} %",
            f"{row.seconds[0]:.0f} + {row.seconds[1]:.0f} s",
        )
        for row in rows
    ]
    head = ("by", "images", "error of the kernel", "ridge", "test accuracy", "kernels or features, solution")
    closing_table(f"{data.manifest.name}: a fully connected network of {args.depth} hidden layers", head, cells)


if __name__ == "__main__":
    main()
