"""Bundles of a stranger: damaged, or wrong with every digest made to match."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.attacks.trial import Must, Originals, Random, Trial, break_file, sign


def broken_bundle(rng: Random, place: Path, o: Originals) -> Trial:
    """A damaged file, or one too many or too few."""
    bundle = o.copy("bundle", place)
    file = bundle / str(rng.choice(sorted(path.name for path in bundle.iterdir())))
    changed = break_file(rng, file)
    return Trial(f"{file.name} damaged", ["verify", "bundle"], "refuse" if changed else "either")


WRONG: dict[str, list[Any]] = {
    "dataset": ["", "\x1b[2J", "a\nb", 5, None, "x" * 10**5, "\u202e"],
    "dataset_version": ["\n", [], " a"],
    "licence": ["a\n---\nlicense: evil", "\x07", 0, "x" * 10**5],
    "class_names": [[], ["a"] * 10, [""] * 10, ["a\n", *"bcdefghij"], ["x" * 10**5, *"bcdefghij"], "abcdefghij", 7],
    "kernel": [
        {},
        {"network": "fc", "depth": 10**6},
        {"network": "os", "depth": 1},
        {"network": "fc", "depth": 0},
        {"network": "fc", "depth": 1, "W_std": -1.0},
        {"network": "myrtle", "depth": 6},
        [],
        None,
        {"network": "fc", "depth": 1, "width": 10**400},
        {"network": "conv_net", "depth": 9},
    ],
    "ridge": [-1.0, float("nan"), float("inf"), "0", 1e308, None],
    "support_size": [0, -1, 11, 2**70, 1.5, "10"],
    "images_per_class": [[], [1], [10**9] * 10, [-1, *[1] * 9], "1"],
    "label_mode": ["none", 1, None],
    "step": [-1, 2**70, 1.5, "1"],
    "seed": [-5, 2**32, "0", 0.5],
    "validation_seed": [-1, 2**70],
    "dtypes": [[], {"kernel": 1}, {"a\n": "b"}],
    "config_sha256": ["", "../x", "0" * 63],
    "files": [{}, {"../../x": "0" * 64}, [], {"/etc/passwd": "0" * 64}],
    "origin": [
        {"file": "x"},
        5,
        {"file": "\x1b", "sha256": "0" * 64, "kind": "k", "layout": "l", "labels": "l", "space": "s"},
    ],
    "schema": [0, 99, "2", None],
    "extra": [1],
}


def signed_manifest(rng: Random, place: Path, o: Originals) -> Trial:
    """A value that no bundle has, signed."""
    bundle, name = o.copy("bundle", place), str(rng.choice(list(WRONG)))
    value = WRONG[name][int(rng.integers(len(WRONG[name])))]
    sign(bundle, **{name: value})
    words = [
        ["verify", "bundle"],
        ["export", "bundle", "--to", "kip", "dc", "hf", "--out", "out"],
        ["report", "bundle", "--out", "out/r.html"],
    ][int(rng.integers(3))]
    return Trial(f"{name} is {value!r:.60}", words, "refuse")


NUMBERS: list[Callable[[np.ndarray], Any]] = [
    lambda x: x * np.nan,
    lambda x: np.full_like(x, np.inf, dtype=float),
    lambda x: x.astype("S4"),
    lambda x: x[..., None],
    lambda x: x.astype(complex),
    lambda x: np.zeros((0, *x.shape)),
    lambda x: np.full(x.shape, -1e30),
    lambda x: np.full(x.shape, 3e38, np.float32),
]


def signed_arrays(rng: Random, place: Path, o: Originals) -> Trial:
    """Numbers that no bundle has, signed."""
    bundle = o.copy("bundle", place)
    file = str(rng.choice(["support.npz", "transform.npz", "probe.npz"]))
    with np.load(bundle / file) as stored:
        arrays = dict(stored)
    many = [name for name in arrays if arrays[name].size and arrays[name].dtype.kind in "fi" and name != "version"]
    name = str(rng.choice(many))
    with np.errstate(all="ignore"):
        arrays[name] = np.asarray(NUMBERS[int(rng.integers(len(NUMBERS)))](arrays[name]))
    np.savez(bundle / file, **arrays)
    sign(bundle)
    return Trial(f"{file}: {name} is {arrays[name].dtype} {arrays[name].shape}", ["verify", "bundle"], "refuse")


NAMES = [
    "../" * 9 + "evil",
    "/{root}/evil",
    "..",
    "a/../../b",
    "<script>alert(1)</script>",
    "=1+1",
    "x: [1",
    "- a",
    "`",
    "|",
    "[a](http://b)",
    "\u2066a",
    "\x1b]0;a\x07",
    "a\n---\nb: c",
    "%s%n",
    "CON",
    "x" * 450,
    "'",
    '"',
    "\udc80",
    "&lt;",
]


def hostile_names(rng: Random, place: Path, o: Originals) -> Trial:
    """Names that are paths, markup, formulas or control characters; written in every format, and reported on."""
    bundle = o.copy("bundle", place)
    name = NAMES[int(rng.integers(len(NAMES)))].replace("{root}", str(place.parent).strip("/")) + str(rng.integers(10))
    field = str(rng.choice(["dataset", "dataset_version", "licence", "class_names", "code_version"]))
    document = json.loads((bundle / "manifest.json").read_text())
    value = [name, *document["class_names"][1:]] if field == "class_names" else name
    if field == "dataset":
        # `standard` keeps its channels, so every format can be written of any data set.
        sign(bundle, dataset=value, licence=name[:400])
    else:
        changes: dict[str, Any] = {field: value}
        sign(bundle, **changes)
    to = ",".join(
        rng.choice(["kip", "dc-bench", "dc", "mtt", "datm", "dd-ranking", "imagefolder", "hf", "png"], 3, False)
    )
    words = ["export", "bundle", "--to", to, "--out", "out"]
    must: Must = "either" if name.isprintable() else "refuse"
    return Trial(f"{field} {name!r:.40}, {to}", words if rng.random() < 0.8 else ["verify", "bundle"], must)
