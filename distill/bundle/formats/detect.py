"""Which format a file is in, by its content, and the set in it.

    zip with data.pkl      a .pt: a result of DC, DSA or DM, or images of MTT with their labels beside them
    zip without            an .npz of KIP, RFAD or FRePo
    PAR1                   a parquet that this program exported
    anything else          msgpack, as FRePo and RCIG write it
    folder                 images_best.pt or images.pt in it, a parquet in it, or a folder of PNG

A TFDS folder is not read as a stranger's: its description names Python classes, which TFDS imports.
"""

from pathlib import Path

from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout
from kerneldistill.errors import UserError

_IMAGES = ("images_best.pt", "images.pt")
_PARQUET = "data/train-00000-of-00001.parquet"


def read_foreign(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Reads a distilled set that another program wrote, as data alone.

    Raises:
      UserError: it is of no known format, damaged, or holds more than data.
    """
    try:
        return _read(path, layout)
    except UserError:
        raise
    except Exception as error:  # of any class: it depends on the byte that is damaged
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise UserError(
            f"{path} cannot be read ({why}): it is damaged, or none of .npz of KIP, RFAD and FRePo, .pt of DC, MTT and "
            "DATM, checkpoints of FRePo and RCIG, parquet and PNG folders of kerneldistill"
        ) from error


def _read(path: Path, layout: Layout | None) -> ForeignSet:
    from kerneldistill.bundle.formats import dc, flax_msgpack, hugging_face, image_folder, mtt, npz
    from kerneldistill.bundle.untrusted.torch_file import read_torch

    if path.is_dir():
        for name in _IMAGES:
            if (path / name).is_file():
                return mtt.read(path / name, layout)
        parquet = path / _PARQUET
        return hugging_face.read(parquet) if parquet.is_file() else image_folder.read(path)
    if not path.is_file():
        raise UserError(f"FILE is {path}, which is not there: give a file or folder of a distilled set")
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        return hugging_face.read(path)
    if head[:2] != b"PK":
        return flax_msgpack.read(path, layout)
    if not _is_torch(path):
        return npz.read(path, layout)
    value = read_torch(path)
    return dc.set_in(value, path, layout) if isinstance(value, dict) else mtt.set_in(value, path, layout)


def _is_torch(path: Path) -> bool:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/data.pkl") for name in archive.namelist())
