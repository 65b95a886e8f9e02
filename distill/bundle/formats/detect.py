"""Read a distilled set of another program, whatever its format: it is known by its content."""

from pathlib import Path

from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout
from kerneldistill.bundle.formats.registry import FORMATS, READ
from kerneldistill.errors import UserError


def read_foreign(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Read a distilled set that another program wrote, as data alone.

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
            f"{path} cannot be read ({why}): it is damaged, or of no format that kdistill import reads"
        ) from error


def _read(path: Path, layout: Layout | None) -> ForeignSet:
    if not path.exists():
        raise UserError(f"FILE is {path}, which is not there: give a set that kdistill import --help names")
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(4)
    reader = next(FORMATS[name].reader for name in READ if FORMATS[name].reader.detects(path, head))
    return reader.read(path, layout)
