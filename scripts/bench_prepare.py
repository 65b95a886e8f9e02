"""Time `prepare` of CIFAR-10 with kip_zca against a plain numpy program that does the same work.

    python -m scripts.bench_prepare ~/tensorflow_datasets [--rounds 2] [--doubled]

Both read the TFDS files, decode, hold out a tenth, fit the whitening on the rest, and write float32 whitened images
with a sha256 of every file; each in a process of its own, in turn. The plain program holds everything in memory. With
--doubled, `prepare` also runs on the same records twice over: its peak memory must not grow with the data.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

NAME = "cifar10"
REG = 0.1
ROWS = 1000


class Cost(NamedTuple):
    """seconds: wall time. cpu: seconds of processor. peak: largest resident size, GB."""

    seconds: float
    cpu: float
    peak: float


def main() -> None:
    """Run both in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", help=f"folder of TFDS data sets that holds {NAME}")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, in turn (default: 2)")
    parser.add_argument("--doubled", action="store_true", help="also measure peak memory on twice the data")
    parser.add_argument("--only", choices=("plain", "prepare"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        {"plain": plain, "prepare": prepare}[args.only](args.dir, args.out)
        return
    with tempfile.TemporaryDirectory() as scratch:
        costs: dict[str, list[Cost]] = {"plain": [], "prepare": []}
        for number in range(args.rounds):
            for only, measured in costs.items():
                measured.append(run(only, args.dir, Path(scratch, f"{only}-{number}")))
                print(f"{only:8} {describe(measured[-1])}", flush=True)
        for field in ("seconds", "cpu"):
            ratio = median(getattr(c, field) for c in costs["prepare"]) / median(
                getattr(c, field) for c in costs["plain"]
            )
            print(f"ratio of {field}: {ratio:.2f}")
        if args.doubled:
            print(f"doubled  {describe(run('prepare', double(args.dir, Path(scratch)), Path(scratch, 'doubled')))}")


def run(only: str, data_dir: Path | str, out: Path) -> Cost:
    """Run one of the two programs in a process of its own."""
    command = [sys.executable, "-m", "scripts.bench_prepare", str(data_dir), "--only", only, "--out", str(out)]
    began = time.perf_counter()
    child = subprocess.Popen(command)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{only} ended with status {child.returncode}")
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9)


def describe(cost: Cost) -> str:
    """The cost of a run in words."""
    return f"{cost.seconds:6.1f} s, {cost.cpu:6.1f} s of processor, peak {cost.peak:.2f} GB"


def prepare(data_dir: str, out: Path) -> None:
    """The pipeline."""
    from kerneldistill import pipeline

    pipeline.prepare(pipeline.DataConfig(name=NAME, dir=data_dir, whiten="kip_zca", zca_reg=REG), out)


def plain(data_dir: str, out: Path) -> None:
    """The same by hand: everything in memory, one thread of Python, no check of anything."""
    train, labels = read(data_dir, "train")
    test, test_labels = read(data_dir, "test")
    held_out = np.zeros(len(labels), bool)
    for label in range(10):
        held_out[np.flatnonzero(labels == label)[:500]] = True
    fit = train[~held_out]
    mean, std = fit.mean(axis=(0, 1, 2), dtype=np.float64), fit.std(axis=(0, 1, 2), dtype=np.float64)

    def unit(images: np.ndarray) -> np.ndarray:
        rows = ((images - mean.astype(np.float32)) / std.astype(np.float32)).reshape(len(images), -1)
        rows -= rows.mean(axis=1, keepdims=True)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    d = int(np.prod(fit.shape[1:]))
    covariance = np.zeros((d, d))
    for start in range(0, len(fit), ROWS):
        rows = unit(fit[start : start + ROWS])
        covariance += rows.T @ rows
    covariance /= len(fit)
    covariance[np.diag_indices(d)] += REG * np.trace(covariance) / d
    s, U = np.linalg.eigh(covariance)
    W, W_inv = (U * s**-0.5) @ U.T, (U * s**0.5) @ U.T
    out.mkdir()
    save(out / "whitener.npz", W=W, W_inv=W_inv, mean=mean, std=std)
    forward = W.astype(np.float32)
    parts = (("train", fit, labels[~held_out]), ("validation", train[held_out], labels[held_out]))
    for name, images, classes in (*parts, ("test", test, test_labels)):
        for start in range(0, len(images), ROWS):
            whitened = (unit(images[start : start + ROWS]) @ forward).reshape(-1, *images.shape[1:])
            save(out / f"{name}-{start // ROWS:05d}.npz", images=whitened, labels=classes[start : start + ROWS])


def read(data_dir: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 [n, 32, 32, 3] and labels [n], decoded by TFDS."""
    import tensorflow_datasets as tfds

    source: Any = tfds.data_source(NAME, data_dir=data_dir, split=split, download=False)
    examples = [(example["image"], example["label"]) for example in source]
    return np.stack([image for image, _ in examples]), np.array([label for _, label in examples])


def save(path: Path, **arrays: np.ndarray) -> None:
    """Write a file and its digest, as `prepare` does."""
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path.with_suffix(".sha256").write_text(digest)


def double(data_dir: str, scratch: Path) -> Path:
    """A TFDS folder in which the train split is the same file twice."""
    (version,) = sorted(Path(data_dir, NAME).glob("*.*.*"))[-1:]
    folder = scratch / "doubled-tfds" / NAME / version.name
    folder.mkdir(parents=True)
    info = json.loads((version / "dataset_info.json").read_text())
    for split in info["splits"]:
        copies = 2 if split["name"] == "train" else 1
        (file,) = version.glob(f"{NAME}-{split['name']}.*")
        for copy in range(copies):
            stem = file.name.rsplit("-", 3)[0]
            (folder / f"{stem}-{copy:05d}-of-{copies:05d}").symlink_to(file)
        split["shardLengths"] = split["shardLengths"] * copies
    (folder / "dataset_info.json").write_text(json.dumps(info))
    for name in version.glob("*.*"):
        if not (folder / name.name).exists() and NAME not in name.name:
            (folder / name.name).symlink_to(name)
    return scratch / "doubled-tfds"


if __name__ == "__main__":
    main()
