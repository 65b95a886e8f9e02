"""What a trial of `scripts.attack` is, and how files are broken and signed."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgpack
import numpy as np

from kerneldistill.bundle.manifest import _digest as bundle_digest
from kerneldistill.pipeline.storage.files import sha256
from kerneldistill.pipeline.storage.manifest import _digest as prepared_digest

Must = Literal["refuse", "either"]
Random = np.random.Generator


@dataclass(frozen=True)
class Trial:
    """A command line to run in a folder, in which it may write to `out` alone.

    what: what was done
    words: of the command
    must: whether it must refuse
    """

    what: str
    words: list[str]
    must: Must = "either"


@dataclass(frozen=True)
class Originals:
    """Unbroken things: `bundle`, `prepared`, `set.npz`, and `export` in every format; in `folder`."""

    folder: Path

    def copy(self, name: str, place: Path) -> Path:
        """Copy one of them into the folder of a trial."""
        source = self.folder / name
        return Path((shutil.copytree if source.is_dir() else shutil.copy)(source, place / source.name))


def damaged(rng: Random, content: bytes) -> bytes:
    if not content:
        return rng.bytes(9)
    broken, place = bytearray(content), int(rng.integers(0, max(1, len(content))))
    match int(rng.integers(5)):
        case 0:
            for each in rng.integers(0, len(content), rng.integers(1, 4)):
                broken[each] ^= 1 << rng.integers(8)
        case 1:
            del broken[place:]
        case 2:
            broken[place : place + 64] = bytes(64)
        case 3:
            broken = broken[place:] + broken[:place]
        case _:
            broken[place:place] = rng.bytes(int(rng.integers(1, 100)))
    return bytes(broken)


def break_file(rng: Random, path: Path) -> bool:
    """Damage a file; return whether it is another one now."""
    before = path.read_bytes()
    path.write_bytes(after := damaged(rng, before))
    return after != before


def replaced(rng: Random, file: Path) -> str:
    """Put a folder, a pipe, a link to itself or a link to /dev/zero in the place of a file; return which."""
    file.unlink(missing_ok=True)
    match kind := str(rng.choice(["folder", "pipe", "loop", "zero"])):
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case _:
            file.symlink_to(file if kind == "loop" else "/dev/zero")
    return kind


def sign(bundle: Path, prepared: bool = False, **changes: Any) -> None:
    """Change a manifest and make every digest match."""
    document = {**json.loads((bundle / "manifest.json").read_text()), **changes}
    document.pop("digest")
    if not prepared and isinstance(document.get("files"), dict) and "files" not in changes:
        document["files"] = {name: sha256(bundle / name) for name in document["files"]}
    digest = (prepared_digest if prepared else bundle_digest)(document)
    (bundle / "manifest.json").write_text(json.dumps({"digest": digest, **document}))


def flax_file(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write a checkpoint of FRePo."""

    def extension(array: np.ndarray) -> msgpack.ExtType:
        return msgpack.ExtType(1, msgpack.packb((array.shape, array.dtype.name, array.tobytes())))

    path.write_bytes(msgpack.Packer(default=extension).pack({"ema_average": {"x_proto": images, "y_proto": labels}}))
