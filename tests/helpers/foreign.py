"""Small sets as other programs write them, and small bundles to export."""

from pathlib import Path

import msgpack
import numpy as np

from kerneldistill.bundle.formats.export_source import ExportSource
from kerneldistill.bundle.reader import read_bundle
from kerneldistill.bundle.writer import write_bundle
from tests.helpers.bundles import SHAPE, make_contents

NUM_CLASSES = 3


def make_arrays(seed: int = 0, per_class: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """images float32 [6, 6, 5, 3] and centred one-hot labels float32 [6, 3], class-major."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.eye(NUM_CLASSES, dtype=np.float32), per_class, axis=0) - np.float32(1 / NUM_CLASSES)
    return rng.normal(size=(len(labels), *SHAPE)).astype(np.float32), labels


def make_exported(folder: Path, kind: str = "kip_zca", **changes: object) -> ExportSource:
    """A bundle of two images a class, whitened by `kind`, written and read."""
    per_class = np.array([0, 0, 1, 1, 2, 2])
    contents = make_contents(kind)
    six = {name: getattr(contents, name)[:6] for name in ("images", "init_indices", "starts")}
    labels = np.eye(NUM_CLASSES)[per_class] - 1 / NUM_CLASSES
    contents = make_contents(kind, **{**six, "labels": labels, "class_ids": per_class, **changes})
    write_bundle(folder, contents)
    return ExportSource(read_bundle(folder), folder)


def flax_bytes(tree: dict[str, object]) -> bytes:
    """msgpack as flax writes it: arrays are extensions of type 1."""

    def extension(array: np.ndarray) -> msgpack.ExtType:
        return msgpack.ExtType(1, msgpack.packb((array.shape, array.dtype.name, array.tobytes())))

    return msgpack.packb(tree, default=extension)


def write_flax(path: Path, images: np.ndarray, labels: np.ndarray, place: str = "ema_average") -> Path:
    """A checkpoint of RCIG."""
    tree = {"step": np.array(15000), "train_it": np.array(3), place: {"x_proto": images, "y_proto": labels}}
    path.write_bytes(flax_bytes(tree))
    return path
