"""The sets of the zoo by name: files of the package, with a card each."""

import shutil
import tempfile
import weakref
from pathlib import Path

from kerneldistill.api.distilled_set import DistilledSet
from kerneldistill.api.distilled_set import load as load_bundle
from kerneldistill.errors import UserError
from kerneldistill.zoo.packed import unpack

# Names are DATA-IPCipc; NAME.npz is the set, NAME.md its card.
FOLDER = Path(__file__).parent / "sets"


def names() -> tuple[str, ...]:
    """The names of all sets.

    Example:
      >>> "digits-1ipc" in kd.zoo.names()
      True
    """
    return tuple(sorted(file.stem for file in FOLDER.glob("*.npz")))


def file_of(name: str) -> Path:
    """The file of a set.

    Raises:
      UserError: there is no such set.
    """
    if name not in names():
        raise UserError(f"NAME is {name!r}, allowed are: {', '.join(names())} (kdistill zoo list says what each is)")
    return FOLDER / f"{name}.npz"


def load(name: str) -> DistilledSet:
    """Load a set as `kd.load` loads a bundle.

    Raises:
      UserError: there is no such set.

    Example:
      >>> kd.zoo.load("digits-1ipc").images.shape
      (10, 8, 8, 1)
    """
    file, folder = file_of(name), tempfile.mkdtemp(prefix="kerneldistill-")
    try:
        unpack(file, Path(folder) / name)
        found = load_bundle(Path(folder) / name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found
