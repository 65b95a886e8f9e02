"""Flags with values that no run can have, and outputs at which something else is."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.attacks.trial import Originals, Random, Trial, replaced

VALUES = ["-1", "0", "1e10", "1000000000", "1e308", "-1e308", "nan", "inf", str(2**70), "9" * 5000, "", "../x"]
VALUES += ["\x1b[2J", "None", "True", "1e-300", "x" * 10**5, "[]", "a,b", "\udc80", "0x10", "1,1,1"]
SIZES = ["--data.height", "--data.width", "--data.channels", "--data.batch-size", "--support.size"]
# Each alone is allowed; none together.
TOGETHER = [
    ["run", "--kernel.W-std", "1e-10", "--kernel.b-std", "0"],
    ["run", "--krr.ridge", "1e300"],
    ["run", "--optim.learning-rate", "1e300"],
    ["prepare", "--data.height", "1000000000"],
    ["prepare", "--data.height", "1000000000", "--data.width", "1000000000", "--data.resize", "box"],
    ["prepare", "--data.height", "4096", "--data.width", "4096", "--data.resize", "bicubic"],
    ["prepare", "--data.whiten", "zca", "--data.zca-reg", "1e-300"],
    ["prepare", "--data.train-split", "train[:0%]"],
    ["prepare", "--data.train-split", "train[:1]"],
    ["prepare", "--data.train-split", "+".join(["train"] * 10**4)],
    ["prepare", "--data.test-split", "train"],
]


def hostile_flags(rng: Random, place: Path, o: Originals) -> Trial:
    """A flag of any setting with a value that it may not have, or settings that do not go together."""
    if rng.random() < 0.15:
        command, *flags = TOGETHER[int(rng.integers(len(TOGETHER)))]
        to = ["--out", "out/p"] if command == "prepare" else ["--dir", "out/r", *_QUICK]
        return Trial(f"{command} {flags}"[:100], [command, "digits", *flags, *to])
    names = [*_names(tomllib.loads((o.folder / "digits.toml").read_text())), *SIZES]
    name, value = names[int(rng.integers(len(names)))], VALUES[int(rng.integers(len(VALUES)))]
    flags = [f"{name}={value}"] if rng.random() < 0.5 else [name, value]
    if rng.random() < 0.3:
        return Trial(f"prepare {name} {value!r:.40}", ["prepare", "digits", *flags, "--out", "out/p"])
    return Trial(f"plan {name} {value!r:.40}", ["plan", "digits", *flags, "--no-calibrate"])


_QUICK = ["--kernel.network", "fc", "--kernel.depth", "1", "--optim.steps", "2", "--evaluate.baseline-draws", "0"]


def _names(table: dict[str, Any], before: str = "--") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _names(value, f"{before}{name}.")
        else:
            yield before + name.replace("_", "-")


def taken_outputs(rng: Random, place: Path, o: Originals) -> Trial:
    """An output at which something else is, which must stay as it is, or that cannot be."""
    file, bundle = o.copy("set.npz", place), o.copy(str(rng.choice(["bundle", "prepared"])), place)
    while replaced(rng, other := place / "other") == "folder":
        other.rmdir()
    out = [file.name, f"{file.name}/b", "other", "other/b", "/proc/x", "x" * 300, bundle.name][int(rng.integers(7))]
    match str(rng.choice(["import", "prepare", "export", "report"])):
        case "import":
            words = ["import", str(o.folder / "other.npz"), "--prepared", str(o.folder / "prepared"), *_QUICK[:4]]
        case "prepare":
            words = ["prepare", "digits", "--data.whiten", "none"]
        case "export":
            words = ["export", str(o.folder / "bundle"), "--to", "kip", "--tests", "0"]
        case _:
            words = ["report", str(o.folder / "bundle"), "--test-images", "0"]
    return Trial(f"{words[0]} to {out!r:.40}", [*words, "--out", out], "refuse")
