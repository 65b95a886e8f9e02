"""What may change in the settings of a run that has begun (`config.marks`), and the record of what did.

A run goes on with a setting that changes no number of a step, and with more steps where none of step sizes, batch and
ridge is stretched over all of them: step n is then the same in a longer run. (The last step of the shorter one was
scored on validation, too; where `evaluate.every` divides it, so it is in the longer one.) All else changes what the
remaining steps do, so that no configuration would describe the run: that takes a fork.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from kerneldistill.config.differences import Difference, as_json
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import settings


def may_resume(change: Difference, config: Config) -> bool:
    """Whether a run may go on with a change; `config` is the one it goes on with."""
    match settings()[change.name].mark.change:
        case "resume":
            return True
        case "longer":
            stretched = config.optim.schedule.name in ("cosine", "linear")
            stretched |= config.optim.growth.name in ("linear", "geometric")
            stretched |= config.krr.first_ridge is not None and config.krr.ridge_steps is None
            left, right = change.left, change.right
            return not stretched and isinstance(left, int) and isinstance(right, int) and right > left
        case "fork" | "never":
            return False


def may_fork(change: Difference) -> bool:
    """Whether a fork may change a setting: the images must mean the same under both."""
    return settings()[change.name].mark.change != "never"


def append_changes(file: Path, changes: Sequence[Difference]) -> None:
    """Add one line of JSON to a file: when, and every name with the value before and after."""
    line = {"when": time.time(), "changes": as_json(changes)}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")
