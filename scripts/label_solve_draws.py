"""How much Label Solve depends on which real images are drawn: many draws, a part of the targets.

    python -m scripts.label_solve_draws runs/fashion-convnet-1-label-solve/prepared --draws 12 \\
        --out scripts/results/label-solve-draws.json

A published figure is one draw of ten images (2107.13034, table 1). The first draws are those of `kdistill label-solve`
with --seed 0, 1, 2, ..., so that the part of the targets can be compared with all of them.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from kerneldistill.algorithms.engines import engine_of
from kerneldistill.algorithms.label_solve import label_solve
from kerneldistill.algorithms.random_streams import Stream, balanced, generator
from kerneldistill.algorithms.scoring import evaluate
from kerneldistill.algorithms.support import real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.toml import preset_config
from kerneldistill.pipeline.prepared import load
from kerneldistill.pipeline.split import Split
from kerneldistill.runtime import devices


def _first(split: Split, count: int, num_classes: int) -> Split:
    rows = balanced(split.labels, num_classes, count, generator(0, Stream.TARGETS))
    return Split(np.asarray(split.images[rows]), split.labels[rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="a prepared data set")
    parser.add_argument("--preset", default="fashion-convnet-1", help="whose kernel and ridge are used")
    parser.add_argument("--size", type=int, help="images of a draw; default: as many as the preset has")
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--targets", type=int, default=4000, help="train images, as many of each class")
    parser.add_argument("--tests", type=int, default=2000, help="test images, as many of each class")
    parser.add_argument("--out", type=Path, default=Path("label-solve-draws.json"))
    args = parser.parse_args()
    devices.setup()
    config, data = preset_config(args.preset), load(args.prepared)
    engine = engine_of(config.kernel, data.manifest.image_shape)
    num_classes, size = len(data.manifest.class_names), args.size or config.support.size
    targets = Targets(engine, _first(data.train, args.targets, num_classes), num_classes)
    tests = Targets(engine, _first(data.test, args.tests, num_classes), num_classes)
    found = []
    for seed in range(args.draws):
        began = time.perf_counter()
        rows = balanced(data.train.labels, num_classes, size, generator(seed, Stream.START))
        start = real_support(data.train, rows, num_classes, engine.dtype)
        solved = label_solve(engine, start.images, targets, config.krr.ridge)
        scores = [evaluate(engine, support, tests, config.krr.ridge) for support in (start, solved)]
        found.append({"seed": seed, "start": scores[0].accuracy, "solved": scores[1].accuracy})
        print(found[-1], f"{time.perf_counter() - began:.0f} s", flush=True)
    accuracy = np.array([draw["solved"] for draw in found])
    print(f"{accuracy.mean():.1%} ± {accuracy.std():.1%}, from {accuracy.min():.1%} to {accuracy.max():.1%}")
    record = {"preset": args.preset, "size": size, "targets": args.targets, "tests": args.tests, "draws": found}
    args.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
