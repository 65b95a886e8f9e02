"""Sources to prepare, of every kind: damaged, with another thing in the place of a file, or with too few classes."""

import csv
import io
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.attacks.trial import Originals, Random, Trial, break_file, replaced

SIDE, ROWS = 6, 40
# Each has the splits train and test.
KINDS = ("npz", "npy", "csv", "folder", "parquet", "arrow")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
FLAGS = ["--data.name", "p", "--data.source", "auto"]


def write_sources(folder: Path) -> None:
    """Write one of each kind, of two classes."""
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS) % 2
    images = rng.integers(0, 256, (2, ROWS, SIDE, SIDE, 3), np.uint8)
    for kind in KINDS:
        WRITERS[kind](folder / kind, images, labels)


def prepare(place: str, *flags: str) -> list[str]:
    """Return the command line that prepares what is there."""
    return ["prepare", "digits", *FLAGS, "--data.dir", place, *flags, "--out", "out/p"]


def damaged_source(rng: Random, place: Path, o: Originals) -> Trial:
    """Damage to some files of a source, of which half may be bad."""
    kind, source = _copy(rng, place, o)
    files = _files(source)
    chosen = [files[number] for number in rng.integers(0, len(files), rng.integers(1, 4))]
    for file in chosen:
        break_file(rng, file)
    return Trial(
        f"{kind}: {', '.join(file.name for file in chosen)} damaged", prepare(kind, "--data.max-bad-fraction", "0.5")
    )


def replaced_source(rng: Random, place: Path, o: Originals) -> Trial:
    """A folder, a pipe, a link to itself or /dev/zero in the place of a file."""
    kind, source = _copy(rng, place, o)
    files = _files(source)
    file = files[int(rng.integers(len(files)))]
    what = replaced(rng, file)
    # What is no picture is left out of a folder, and counted.
    return Trial(f"{what} for {kind}/{file.name}", prepare(kind), "either" if kind == "folder" else "refuse")


def few_classes(rng: Random, place: Path, o: Originals) -> Trial:
    """A single class; a class without an example; a class that only test has."""
    what = str(rng.choice(["one class", "an empty class", "a class of test alone"]))
    labels = np.arange(ROWS) % (1 if what == "one class" else 2)
    images = rng.integers(0, 256, (2, ROWS, SIDE, SIDE, 3), np.uint8)
    if what == "an empty class":
        arrays = {"x_train": images[0], "y_train": labels, "x_test": images[1], "y_test": labels}
        np.savez(place / "npz", **arrays, class_names=np.array(["a", "b", "c"]))
        return Trial(what, prepare("npz.npz"), "refuse")
    kind = str(rng.choice(KINDS))
    WRITERS[kind](place / kind, images, labels, labels + (2 if what == "a class of test alone" else 0))
    return Trial(f"{kind}: {what}", prepare(kind), "refuse")


def vast_picture(rng: Random, place: Path) -> list[str]:
    """A picture that says it is vast, in each kind of source that holds pictures."""
    kind, name = str(rng.choice(["csv", "folder", "parquet", "arrow"])), str(rng.choice(list(SIZES)))
    content = bytearray(_picture(np.zeros((SIDE, SIDE, 3), np.uint8), name))
    for at, form in SIZES[name](content):
        struct.pack_into(form, content, at, int(rng.integers(8200, 65_000)))
    images = np.zeros((2, 2, SIDE, SIDE, 3), np.uint8)
    WRITERS[kind](place / kind, images, np.arange(2), content=bytes(content))
    size = ["--data.height", "8", "--data.width", "8", "--data.channels", "3", "--data.resize", "box"]
    return prepare(kind, *size)


def _png(content: bytearray) -> list[tuple[int, str]]:
    # Its checksum no longer matches, which is found only after the size has been believed.
    return [(16, ">I"), (20, ">I")]


def _jpeg(content: bytearray) -> list[tuple[int, str]]:
    at = content.index(b"\xff\xc0")
    return [(at + 5, ">H"), (at + 7, ">H")]


SIZES: dict[str, Callable[[bytearray], list[tuple[int, str]]]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "BMP": lambda content: [(18, "<I"), (22, "<I")],
    "GIF": lambda content: [(6, "<H"), (8, "<H")],
}


def _copy(rng: Random, place: Path, o: Originals) -> tuple[str, Path]:
    kind = str(rng.choice(KINDS))
    return kind, Path(shutil.copytree(o.folder / "sources" / kind, place / kind))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _picture(image: np.ndarray, kind: str = "PNG") -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def _npz(folder: Path, images: np.ndarray, labels: np.ndarray, tests: Any = None) -> None:
    folder.mkdir(parents=True)
    for split, part, own in _splits(images, labels, tests):
        np.savez(folder / f"{split}.npz", image=part, label=own)


def _npy(folder: Path, images: np.ndarray, labels: np.ndarray, tests: Any = None) -> None:
    folder.mkdir(parents=True)
    for split, part, own in _splits(images, labels, tests):
        np.save(folder / f"x_{split}.npy", part)
        np.save(folder / f"y_{split}.npy", own)


def _csv(folder: Path, images: np.ndarray, labels: np.ndarray, tests: Any = None, content: bytes = b"") -> None:
    folder.mkdir(parents=True)
    with (folder / "list.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "label", "split"])
        for split, part, own in _splits(images, labels, tests):
            for row, (image, label) in enumerate(zip(part, own, strict=True)):
                (folder / f"{split}-{row}.png").write_bytes(content or _picture(image))
                lines.writerow([f"{split}-{row}.png", f"c{label}", split])


def _folder(folder: Path, images: np.ndarray, labels: np.ndarray, tests: Any = None, content: bytes = b"") -> None:
    for split, part, own in _splits(images, labels, tests):
        for row, (image, label) in enumerate(zip(part, own, strict=True)):
            kind = FORMATS[row % len(FORMATS)]
            file = folder / split / f"c{label}" / f"{row}.{'png' if content else kind.lower()}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content or _picture(image, kind))


def _table(images: np.ndarray, labels: np.ndarray, content: bytes) -> Any:
    import pyarrow as pa

    cells = [{"bytes": content or _picture(image), "path": None} for image in images]
    kind = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
    named = {"_type": "ClassLabel", "names": [f"c{label}" for label in range(max(labels) + 1)]}
    features = {"image": {"_type": "Image"}, "label": named}
    table = pa.table({"image": pa.array(cells, kind), "label": pa.array(labels)})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _parquet(folder: Path, images: np.ndarray, labels: np.ndarray, tests: Any = None, content: bytes = b"") -> None:
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True)
    for split, part, own in _splits(images, labels, tests):
        pq.write_table(_table(part, own, content), folder / "data" / f"{split}-00000-of-00001.parquet")


def _arrow(folder: Path, images: np.ndarray, labels: np.ndarray, tests: Any = None, content: bytes = b"") -> None:
    import pyarrow as pa

    folder.mkdir(parents=True)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    for split, part, own in _splits(images, labels, tests):
        (folder / split).mkdir()
        name = "data-00000-of-00001.arrow"
        table = _table(part, own, content)
        with pa.ipc.new_stream(str(folder / split / name), table.schema) as writer:
            writer.write_table(table)
        (folder / split / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))


def _splits(images: np.ndarray, labels: np.ndarray, tests: Any) -> Any:
    return ("train", images[0], labels), ("test", images[1], labels if tests is None else tests)


WRITERS: dict[str, Callable[..., None]] = {
    "npz": _npz,
    "npy": _npy,
    "csv": _csv,
    "folder": _folder,
    "parquet": _parquet,
    "arrow": _arrow,
}
