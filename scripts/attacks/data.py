"""Files of other programs, configurations, prepared data, and data to prepare: damaged, or saying what is not so."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from scripts.attacks.bundles import NAMES
from scripts.attacks.trial import Originals, Random, Trial, break_file, damaged, replaced, sign


def foreign(rng: Random, place: Path, o: Originals) -> Trial:
    """A damaged file of another program."""
    found = [
        path for path in sorted((o.folder / "export").rglob("*")) if path.suffix in (".npz", ".pt", ".parquet", ".png")
    ]
    found = [
        *[path for path in found if path.suffix != ".png"] * 5,
        *found,
        o.folder / "set.npz",
        o.folder / "set.msgpack",
    ]
    source = found[int(rng.integers(len(found)))]
    if source.suffix == ".png":
        file = o.copy("export/imagefolder", place)
        break_file(rng, sorted(file.rglob("*.png"))[int(rng.integers(10))])
    else:
        for beside in source.parent.glob("*.pt"):
            shutil.copy(beside, place)
        file = Path(shutil.copy(source, place))
        break_file(rng, file)
    return Trial(
        f"{source.name} damaged", ["import", file.name, "--out", "out/b", "--prepared", str(o.folder / "prepared")]
    )


def mutated_config(rng: Random, place: Path, o: Originals) -> Trial:
    """A configuration with a wrong value, a wrong name, or damage; it is named before anything is read."""
    lines = (o.folder / "digits.toml").read_text().splitlines()
    at = [number for number, line in enumerate(lines) if " = " in line]
    number = at[int(rng.integers(len(at)))]
    name = lines[number].partition(" = ")[0]
    values = [
        '"\\u001b[2J"',
        "-1e308",
        "nan",
        "1979-05-27",
        "{a=1}",
        "[[]]",
        "99999999999999999999",
        '"../../x"',
        "0x" + "f" * 900,
    ]
    if rng.random() < 0.7:
        lines[number] = f"{name} = {values[int(rng.integers(len(values)))]}"
        (place / "x.toml").write_text("\n".join(lines))
    else:
        (place / "x.toml").write_bytes(damaged(rng, "\n".join(lines).encode()))
    return Trial(f"{lines[number]!r:.60}", ["prepare", "digits", "--config", "x.toml", "--out", "out/p"])


PREPARED: dict[str, list[Any]] = {
    "name": ["\x1b", "", 1],
    "image_shape": [[8, 8], [0, 8, 1], [10**9, 8, 1], [8, 8, 3]],
    "class_names": [["a"] * 10, []],
    "class_counts": [{}, {"train": [1], "validation": [1], "test": [1]}, []],
    "num_in": [-1, 1, 2**70],
    "num_bad": [-1, 5],
    "root": ["..", "/etc", "../x"],
    "files": [[], [{"path": "/dev/zero", "bytes": 0, "sha256": "0" * 64}]],
    "schema": [1, "2"],
    "shards": [
        [
            {
                "split": "train",
                "index": 0,
                "path": "../../x",
                "class_counts": [1] * 10,
                "bytes": 1,
                "sha256": "0" * 64,
                "statistics": {"num_pixels": 1, "mean": [0.0], "std": [0.0], "min": [0.0], "max": [0.0]},
            }
        ],
        {},
        5,
    ],
    "statistics": [{"train": 1}, {"other": {}}],
    "config": [{}, {"whiten": "none\n"}],
    "fingerprint": ["\n", "0" * 64],
    "more": [1],
}


def mutated_prepared(rng: Random, place: Path, o: Originals) -> Trial:
    """Prepared data with a damaged file, or a manifest that lies and is signed."""
    prepared = o.copy("prepared", place)
    if rng.random() < 0.5:
        files = sorted(path for path in prepared.rglob("*") if path.is_file())
        file = files[int(rng.integers(len(files)))]
        changed = break_file(rng, file)
        return Trial(f"{file.name} damaged", ["verify", "prepared"], "refuse" if changed else "either")
    name = str(rng.choice(list(PREPARED)))
    value = PREPARED[name][int(rng.integers(len(PREPARED[name])))]
    sign(prepared, prepared=True, **{name: value})
    return Trial(f"{name} is {value!r:.60}", ["verify", "prepared"], "refuse")


def other_things(rng: Random, place: Path, o: Originals) -> Trial:
    """A folder, a pipe, a link to itself or /dev/zero in the place of a file."""
    what = str(rng.choice(["bundle", "prepared", "set.npz", "set.msgpack", "digits.toml", "export/hf", "export/mtt"]))
    copy = o.copy(what, place)
    files = [copy] if copy.is_file() else sorted(path for path in copy.rglob("*") if path.is_file())
    if what.startswith("export"):
        files = [path for path in files if path.suffix in (".parquet", ".pt")]
    file = files[int(rng.integers(len(files)))]
    kind = replaced(rng, file)
    words = {
        "bundle": [["verify", "bundle"], ["report", "bundle", "--out", "out/r"]][int(rng.integers(2))],
        "prepared": ["verify", "prepared"],
        "digits.toml": ["prepare", "digits", "--config", "digits.toml", "--out", "out/p"],
    }.get(what, ["import", copy.name, "--out", "out/b", "--prepared", str(o.folder / "prepared")])
    return Trial(f"{kind} for {what}/{file.name}", words, "refuse")


def other_things_in_runs(rng: Random, place: Path, o: Originals) -> Trial:
    """The same in the place of a file of a finished run, which is asked for in every way."""
    (place / "out").mkdir()
    run = o.copy("run", place / "out")
    inside = sorted(path for path in run.rglob("*") if path.is_file() and path.name != ".lock")
    beside = [path for path in inside if path.parent == run]
    files = beside if rng.random() < 0.5 else inside
    file = files[int(rng.integers(len(files)))]
    kind = replaced(rng, file)
    words = [["verify"], ["report"], ["evaluate"], ["export"], ["status"]][int(rng.integers(5))]
    must = "refuse" if words == ["verify"] else "either"
    return Trial(f"{words[0]} with a {kind} for {file.relative_to(run)}", [*words, "out/run"], must)


def prepare_data(rng: Random, place: Path, o: Originals) -> Trial:
    """An .npz or a folder of pictures to prepare, with names and bytes of all kinds."""
    rows = np.arange(40)
    images = rng.integers(0, 256, (40, 6, 6), np.uint8)
    data = [
        "--data.name",
        "p",
        "--data.train-split",
        "all[:70%]",
        "--data.test-split",
        "all[70%:]",
        "--data.max-bad-fraction",
        "0.5",
    ]
    if rng.random() < 0.5:
        names = np.array([NAMES[int(rng.integers(len(NAMES)))].replace("\udc80", "?"), "b"])
        np.savez(
            place / "x.npz", image=images, label=names[rows % 2] if rng.random() < 0.5 else rows % 2, class_names=names
        )
        if rng.random() < 0.5:
            break_file(rng, place / "x.npz")
        data += ["--data.source", "npz", "--data.dir", "x.npz"]
    else:
        from PIL import Image

        kind = str(rng.choice(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"]))
        for row, image in enumerate(images):
            folder = place / "pictures" / ("a" if row % 2 else os.fsdecode(b"\xff\x1b" if rng.random() < 0.1 else b"b"))
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file := folder / f"{row}.{kind.lower()}", kind)
            if rng.random() < 0.3:
                break_file(rng, file)
        data += ["--data.source", "folder", "--data.dir", "pictures"]
    return Trial(" ".join(data[-3:]), ["prepare", "digits", *data, "--out", "out/p"])
