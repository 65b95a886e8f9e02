"""A thousand ways to break a bundle or a file of another program, each with what it may still be read as."""

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.export_source import ExportSource, nchw
from kerneldistill.bundle.formats.registry import FORMATS
from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.bundle.manifest import _digest as manifest_digest
from kerneldistill.pipeline.storage.files import sha256
from tests.helpers.foreign import make_arrays, make_exported, write_flax

CANARY = "canary-touched"


@dataclass(frozen=True)
class Mutant:
    """A broken bundle or file.

    how: what was done
    path: where it lies
    is_bundle: whether it is a bundle, or a file of another program
    """

    how: str
    path: Path
    is_bundle: bool


class Originals:
    """Unbroken ones, to be copied and broken.

    Args:
      folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exported: ExportSource = make_exported(folder / "bundle")
        images, labels = make_arrays()
        np.savez(folder / "kip.npz", images=images, labels=labels)
        np.savez_compressed(folder / "rfad.npz", images=nchw(images), labels=labels, k=1.0, jit=0.005)
        value = {"data": [[nchw(images), labels.argmax(1)]], "accs_all_exps": {}}
        (folder / "dc.pt").write_bytes(torch_bytes(value, "dc"))
        write_flax(folder / "rcig.msgpack", images, labels)
        (folder / "hf").mkdir()
        FORMATS["hf"].writer.write(self.exported, folder / "hf")
        shutil.copy(folder / "hf" / "data" / "train-00000-of-00001.parquet", folder / "set.parquet")
        (folder / "pictures").mkdir()
        FORMATS["imagefolder"].writer.write(self.exported, folder / "pictures")

    files = ("kip.npz", "rfad.npz", "dc.pt", "set.parquet", "rcig.msgpack", "pictures")


def mutants(folder: Path, originals: Originals, count: int, seed: int = 0) -> Iterator[Mutant]:
    """`count` mutants, of each kind in turn; each lies in `folder` until the next is asked for."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        place = folder / f"{number:04d}"
        place.mkdir()
        yield KINDS[number % len(KINDS)](rng, place, originals, number // len(KINDS))
        shutil.rmtree(place)


def _flip(rng: np.random.Generator, content: bytes) -> bytes:
    broken = bytearray(content)
    for position in rng.integers(0, len(broken), rng.integers(1, 4)):
        broken[position] ^= 1 << rng.integers(8)
    return bytes(broken)


def _truncate(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: rng.integers(0, len(content))]


def _blank(rng: np.random.Generator, content: bytes) -> bytes:
    start = int(rng.integers(0, len(content)))
    return content[:start] + bytes(min(64, len(content) - start)) + content[start + 64 :]


def _swap(rng: np.random.Generator, content: bytes) -> bytes:
    middle = int(rng.integers(1, len(content)))
    return content[middle:] + content[:middle]


_DAMAGES = (_flip, _truncate, _blank, _swap)


def _broken_bundle(rng: np.random.Generator, place: Path, originals: Originals, turn: int) -> Mutant:
    """Damage to one file of a bundle."""
    bundle = shutil.copytree(originals.folder / "bundle", place / "bundle")
    name = sorted(path.name for path in bundle.iterdir())[turn % 7]
    damage = _DAMAGES[turn // 7 % len(_DAMAGES)]
    (bundle / name).write_bytes(damage(rng, (bundle / name).read_bytes()))
    return Mutant(f"bundle, {name}, {damage.__name__}", bundle, True)


def _broken_file(rng: np.random.Generator, place: Path, originals: Originals, turn: int) -> Mutant:
    """Damage to a file of another program. msgpack has no checksum, so its numbers are left alone there."""
    name = Originals.files[turn % len(Originals.files)]
    damage = _DAMAGES[turn // len(Originals.files) % len(_DAMAGES)]
    damage = _truncate if name == "rcig.msgpack" else damage
    path = place / name
    if name == "pictures":
        shutil.copytree(originals.folder / name, path)
        broken = sorted(path.rglob("*.png"))[int(rng.integers(6))]
        broken.write_bytes(damage(rng, broken.read_bytes()))
    else:
        path.write_bytes(damage(rng, (originals.folder / name).read_bytes()))
    return Mutant(f"{name}, {damage.__name__}", path, False)


class _Touch:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def _hostile_pickle(rng: np.random.Generator, place: Path, originals: Originals, turn: int) -> Mutant:
    """A pickle that would touch a file: in a .pt, in an .npz of objects, in a bundle, alone, and as labels."""
    touch = _Touch(place.parent / CANARY)
    content = pickle.dumps({"data": [[touch, touch]]}, protocol=turn % 6)
    objects = io.BytesIO()
    np.save(objects, np.array([touch], object), allow_pickle=True)
    match turn % 5:
        case 0:
            path = _zip(place / "x.pt", {"x/data.pkl": content, "x/data/0": bytes(64), "x/version": b"3\n"})
        case 1:
            path = _zip(place / "x.npz", {"images.npy": objects.getvalue(), "labels.npy": objects.getvalue()})
        case 2:
            path = shutil.copytree(originals.folder / "bundle", place / "bundle")
            _zip(path / "support.npz", {f"{n}.npy": objects.getvalue() for n in ("images", "labels", "class_ids")})
            sign(path)
            return Mutant("bundle with a pickle in support.npz", path, True)
        case 3:
            path = place / "x.pt"
            path.write_bytes(content)
        case _:
            (place / "images_best.pt").write_bytes(torch_bytes(np.zeros((6, 3, 6, 5), np.float32), "x"))
            _zip(place / "labels_best.pt", {"x/data.pkl": content})
            path = place / "images_best.pt"
    return Mutant(f"a pickle that touches a file, {path.name}", path, False)


def _bomb(rng: np.random.Generator, place: Path, originals: Originals, turn: int) -> Mutant:
    """Little that becomes, or says it becomes, much."""
    zeros = bytes(5 << 20)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**9 + turn, 32, 32, 3)}
    )
    match turn % 4:
        case 0:
            path = _zip(place / "x.npz", {"images.npy": zeros, "labels.npy": zeros}, zipfile.ZIP_DEFLATED)
        case 1:
            path = _zip(place / "x.npz", {"images.npy": header.getvalue(), "labels.npy": header.getvalue()})
        case 2:
            members = {f"x/data/{number}": b"" for number in range(1200)}
            path = _zip(place / "x.pt", {"x/data.pkl": b"\x80\x02N.", **members})
        case _:
            path = shutil.copytree(originals.folder / "bundle", place / "bundle")
            name = ("support.npz", "transform.npz", "probe.npz")[turn // 4 % 3]
            with np.load(path / name) as arrays:
                names = list(arrays)
            _zip(path / name, {f"{member}.npy": header.getvalue() for member in names})
            sign(path)
            return Mutant(f"bundle with a bomb in {name}", path, True)
    return Mutant(f"a bomb, {path.name}", path, False)


def _wrong_arrays(rng: np.random.Generator, place: Path, originals: Originals, turn: int) -> Mutant:
    """Arrays of a wrong type, shape or value, in a bundle whose digests are made to match, or in an .npz."""
    images, labels = make_arrays()
    changes: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
        ("images", lambda x: x.astype(np.float64)),
        ("images", lambda x: x[..., :-1]),
        ("images", lambda x: np.where(x == x.max(), np.nan, x)),
        ("images", lambda x: x[:-1]),
        ("labels", lambda x: x.astype(np.complex64)),
        ("labels", lambda x: x[:, :-1]),
        ("labels", lambda x: x * np.float32(np.inf)),
        ("class_ids", lambda x: x[::-1]),
        ("class_ids", lambda x: x - 1),
        ("class_ids", lambda x: x.astype("U8")),
        ("init_indices", lambda x: x - 10**6),
        ("init_indices", lambda x: x.astype(np.float32)),
    )
    name, change = changes[turn % len(changes)]
    if turn % 3 == 2 and name in ("images", "labels"):
        arrays = {"images": images, "labels": labels}
        with np.errstate(all="ignore"):
            wrong = change(arrays[name]) if turn % 2 else arrays[name].astype("S8")
        np.savez(place / "x.npz", **{**arrays, name: wrong.astype("S8") if name == "images" else wrong[:-1]})
        return Mutant(f"npz with wrong {name}", place / "x.npz", False)
    path = shutil.copytree(originals.folder / "bundle", place / "bundle")
    with np.load(path / "support.npz") as support:
        arrays = dict(support)
    with np.errstate(all="ignore"):
        arrays[name] = change(arrays[name])
    np.savez(path / "support.npz", **arrays)
    sign(path)
    return Mutant(f"bundle with wrong {name}, {turn % len(changes)}", path, True)


def _wrong_manifest(rng: np.random.Generator, place: Path, originals: Originals, turn: int) -> Mutant:
    """A manifest that says something else, its digest made to match."""
    path = shutil.copytree(originals.folder / "bundle", place / "bundle")
    changes = (
        {"support_size": 7},
        {"images_per_class": [2, 2, 3]},
        {"class_names": ["ant", "bee"]},
        {"ridge": -1.0},
        {"ridge": "0"},
        {"files": {}},
        {"files": {"../../../etc/passwd": "0" * 64}},
        {"schema": 3},
        {"kernel": {"network": "os.system", "depth": 1}},
        {"label_mode": "none"},
        {"origin": {"file": "x"}},
        {"extra": 1},
    )
    document = json.loads((path / "manifest.json").read_text())
    document.pop("digest")
    document.update(changes[turn % len(changes)])
    document = {"digest": manifest_digest(document), **document}
    (path / "manifest.json").write_text(json.dumps(document))
    return Mutant(f"bundle whose manifest says {changes[turn % len(changes)]}", path, True)


def _noise(rng: np.random.Generator, place: Path, originals: Originals, turn: int) -> Mutant:
    """Bytes of no format, after the beginning of one."""
    head = (b"", b"PK\x03\x04", b"PAR1", b"\x93NUMPY", b"\x80\x02", b"\x82", b"\xdf\xff\xff\xff\xff", b"\x91" * 3000)
    (place / "x").write_bytes(head[turn % len(head)] + rng.bytes(int(rng.integers(0, 300))))
    return Mutant(f"noise after {head[turn % len(head)][:8]!r}", place / "x", False)


def _zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def sign(bundle: Path) -> None:
    """Makes the digests of a bundle those of its files, as one with bad intent would."""
    document = json.loads((bundle / "manifest.json").read_text())
    document.pop("digest")
    document["files"] = {name: sha256(bundle / name) for name in document["files"]}
    (bundle / "manifest.json").write_text(json.dumps({"digest": manifest_digest(document), **document}))


KINDS = (_broken_bundle, _broken_file, _hostile_pickle, _bomb, _wrong_arrays, _wrong_manifest, _noise)
