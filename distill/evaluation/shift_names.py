"""Names of shifted test splits, light enough to check a command line by."""

from collections.abc import Sequence
from pathlib import Path

from kerneldistill.config.nearest import offered
from kerneldistill.errors import UserError

# Of `kerneldistill.evaluation.corruptions`.
CORRUPTION_NAMES = ("noise", "blur", "contrast", "jpeg", "shift")
ALL = "all"


def corruptions_in(names: Sequence[str]) -> list[str]:
    """Return the names, each once, `all` replaced by those of all corruptions."""
    return list(dict.fromkeys(each for name in names for each in (CORRUPTION_NAMES if name == ALL else (name,))))


def check_shifts(names: Sequence[str]) -> None:
    """Raise UserError unless each is a corruption, `all`, or the folder of prepared data."""
    for name in corruptions_in(names):
        if name not in CORRUPTION_NAMES and not (Path(name) / "manifest.json").is_file():
            allowed = offered(name, [*CORRUPTION_NAMES, ALL])
            raise UserError(f"--shift has {name!r:.80}, {allowed}; or name a folder that kdistill prepare made")
