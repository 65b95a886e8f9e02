"""Little that becomes, or says it becomes, much; or that would run."""

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.attacks.sources import vast_picture
from scripts.attacks.trial import Originals, Random, Trial, sign


def _zip(path: Path, members: dict[str, bytes], packed: bool = True, said: int | None = None) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED, compresslevel=1
    ) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = bytearray(buffer.getvalue())
    if said is not None:
        for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
            at = content.index(mark) + offset
            content[at : at + 4] = said.to_bytes(4, "little")
    path.write_bytes(content)


def _npy_header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _png(side: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class _Touch:
    """A pickle of it would make the folder `evil`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil",)


def bombs(rng: Random, place: Path, o: Originals) -> Trial:
    """One of `BOMBS`."""
    name = str(rng.choice(list(BOMBS)))
    words = BOMBS[name](rng, place, o) or ["import", "x", "--out", "out/b", "--prepared", str(o.folder / "prepared")]
    return Trial(name, words, "refuse")


def _count(rng: Random) -> int:
    """How many: at the limits that readers set themselves, and far beyond."""
    return int(10 ** rng.uniform(2, 5.3))


def _lying_npz(rng: Random, place: Path, o: Originals) -> None:
    _zip(place / "x", {"images.npy": bytes(int(rng.integers(50, 300)) << 20), "labels.npy": b""}, said=1000)


def _packed_npz(rng: Random, place: Path, o: Originals) -> None:
    _zip(place / "x", {"images.npy": bytes(int(rng.integers(50, 300)) << 20), "labels.npy": b""})


def _declared_npz(rng: Random, place: Path, o: Originals) -> None:
    _zip(place / "x", {"images.npy": _npy_header((_count(rng), 10**4, 10**4, 3)), "labels.npy": b""}, False)


def _pickle(rng: Random, place: Path, o: Originals) -> None:
    """Marks without end, empty tuples without end, or a call."""
    count = _count(rng)
    called = pickle.dumps(_Touch(), int(rng.integers(3)))
    content = [b"\x80\x02" + b"(" * count + b".", b"\x80\x02](" + b"(t" * count + b"e.", called][count % 3]
    _zip(place / "x", {"x/data.pkl": content, "x/data/0": bytes(64), "x/version": b"3\n"}, False)


def _msgpack(rng: Random, place: Path, o: Originals) -> None:
    count = _count(rng)
    many = b"\xdc\x03\xe8" + (b"\xdc\x03\xe8" + b"\x80" * 1000) * 1000
    (place / "x").write_bytes(many if count % 2 else b"\x91" * count)


def _toml(rng: Random, place: Path, o: Originals) -> list[str]:
    count = _count(rng)
    dotted, lists = b".".join([b"a"] * count) + b"=1", b"a=" + b"[" * count
    numbers = b"a=" + b"9" * count, b"a=0x" + b"f" * count
    (place / "x.toml").write_bytes([dotted, lists, *numbers, b"a=" + b"{a=" * count][count % 5])
    return ["prepare", "digits", "--config", "x.toml", "--out", "out/p"]


def _json(rng: Random, place: Path, o: Originals) -> list[str]:
    bundle, count = o.copy("bundle", place), _count(rng)
    content = [b"[" * count, b'{"a":' * count, b"9" * count, b"[" + b"[]," * count + b"[]]"][count % 4]
    (bundle / "results.json").write_bytes(content)
    sign(bundle)
    return ["verify", "bundle"]


def _picture(rng: Random, place: Path, o: Originals) -> list[str]:
    for split in ("train", "test"):
        (place / "pictures" / split / "a").mkdir(parents=True)
        (place / "pictures" / split / "a" / "1.png").write_bytes(_png(int(rng.integers(8200, 13_000))))
    data = ["--data.source", "folder", "--data.dir", "pictures", "--data.name", "p", "--data.height", "8"]
    data += ["--data.width", "8", "--data.channels", "1", "--data.resize", "box"]
    return ["prepare", "digits", *data, "--out", "out/p"]


def _parquet(rng: Random, place: Path, o: Originals) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(_count(rng) * 100, np.float32)), 100)
    table = pa.table({"whitened": rows, "soft_label": rows})
    pq.write_table(table.replace_schema_metadata({"kerneldistill": "{}"}), place / "x", compression="zstd")


def _declared_bundle(rng: Random, place: Path, o: Originals) -> list[str]:
    bundle, count = o.copy("bundle", place), _count(rng)
    name = str(rng.choice(["support.npz", "transform.npz", "probe.npz"]))
    with np.load(bundle / name) as stored:
        members = {f"{each}.npy": _npy_header((count, count)) for each in stored}
    _zip(bundle / name, members, False)
    sign(bundle)
    return ["verify", "bundle"]


BOMBS: dict[str, Callable[[Random, Path, Originals], list[str] | None]] = {
    "an .npz that says less": _lying_npz,
    "an .npz that shrinks": _packed_npz,
    "an .npz that says more": _declared_npz,
    "a pickle": _pickle,
    "a msgpack": _msgpack,
    "a TOML": _toml,
    "a JSON": _json,
    "a picture": _picture,
    "a picture that says it is vast": lambda rng, place, o: vast_picture(rng, place),
    "a parquet": _parquet,
    "a bundle that says more": _declared_bundle,
}
