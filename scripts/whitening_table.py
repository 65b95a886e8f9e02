"""Evaluate a released set under several whitenings: how much accuracy the wrong one costs.

    python -m scripts.whitening_table best.npz ~/prepared/kip_zca ~/prepared/kornia_zca ~/prepared/standard \\
        --tests 2000 --out scripts/results/rfad-whitening.json

The file stays as it is; the test images come from each prepared set in turn, the same ones in the same order. Kernel
ridge regression with the exact NNGP and NTK of the 3-conv ConvNet (Conv-ReLU-AvgPool three times, no prepended conv;
RFAD, arXiv 2210.12067, evaluates with it too). Two ridges, relative to the mean diagonal of the support's kernel: that
of KIP's code, 1e-6, and 5e-3, which RFAD's files carry as `jit`. Each kernel block is computed once and stored nowhere:
about 0.8 ms an entry on two CPU cores.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.gradient import kernel_of
from kerneldistill.algorithms.krr import Regression
from kerneldistill.algorithms.labels import centred_one_hot
from kerneldistill.algorithms.targets import Targets
from kerneldistill.bundle.formats.detect import read_foreign
from kerneldistill.bundle.formats.foreign_set import labels_of
from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.names import KernelKind
from kerneldistill.pipeline.prepared import load
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime import devices
from kerneldistill.runtime.console import closing_table

RIDGES = (1e-6, 5e-3)


@dataclass(frozen=True)
class Row:
    """One measurement.

    whitening: of the test images
    kernel: nngp or ntk
    ridge: relative
    accuracy: 0..1 on the test images
    error: its binomial standard error
    mse: 1/2 mean square over images and classes
    tests: test images
    seconds: for the kernel of both ridges
    """

    whitening: str
    kernel: str
    ridge: float
    accuracy: float
    error: float
    mse: float
    tests: int
    seconds: float


def main() -> None:
    """Measure every whitening with both kernels and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a released set")
    parser.add_argument("prepared", nargs="+", help="prepared sets of the same data, each whitened in another way")
    parser.add_argument("--tests", type=int, default=2000, help="test images (default: 2000)")
    parser.add_argument("--out", type=Path, help="where to write the rows as JSON")
    args = parser.parse_args()
    devices.setup()
    rows: list[Row] = []
    for folder in args.prepared:
        for get in ("nngp", "ntk"):
            rows += measure(args.file, folder, get, args.tests)
            print(*rows[-len(RIDGES) :], sep="\n", flush=True)
            if args.out:
                args.out.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    cells = [
        (row.whitening, row.kernel, f"{row.ridge:g}", f"{100 * row.accuracy:.1f} ± {100 * row.error:.1f} %")
        for row in rows
    ]
    closing_table(f"{args.file.name}: {args.tests:,} test images", ("whitening", "kernel", "ridge", "accuracy"), cells)


def measure(file: Path, folder: str, get: KernelKind, tests: int) -> list[Row]:
    """Evaluate the file on the first `tests` test images of one prepared set; return a row for each ridge."""
    data, foreign = load(folder), read_foreign(file)
    began, num_classes = time.perf_counter(), len(data.manifest.class_names)
    labels = labels_of(foreign, num_classes)
    engine = engine_of(KernelConfig(network="conv_net", depth=3, prepend=False, get=get), data.manifest.image_shape)
    targets = Targets(engine, Split(data.test.images[:tests], data.test.labels[:tests]), num_classes)
    rows = engine.support_features(foreign.images)
    k_ss = kernel_of(targets.engine, rows, engine.target_features(foreign.images), len(foreign.images))
    blocks = [kernel_of(targets.engine, rows, c.features, len(c.labels)) for c in targets.chunks(len(foreign.images))]
    k_ts = np.concatenate(blocks)
    seconds = time.perf_counter() - began
    found, truth = [], centred_one_hot(targets.split.labels, targets.num_classes)
    for ridge in RIDGES:
        predictions = k_ts @ Regression(k_ss, ridge).solve(labels.values)
        accuracy = float(np.mean(predictions.argmax(1) == data.test.labels[:tests]))
        found.append(
            Row(
                whitening=data.manifest.config.whiten,
                kernel=get,
                ridge=ridge,
                accuracy=accuracy,
                error=float(np.sqrt(accuracy * (1 - accuracy) / tests)),
                mse=float(0.5 * np.mean((predictions - truth) ** 2)),
                tests=tests,
                seconds=round(seconds, 1),
            )
        )
    return found


if __name__ == "__main__":
    main()
