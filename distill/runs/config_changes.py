"""Which settings may change while a run goes on, and what was changed.

Free is what changes no number of a step:
  checkpoint.*               when and how many states are saved
  data.dir                   where the source lies; what is read is checked by its fingerprint
  evaluate.baseline_draws    measured after the last step
  optim.steps, to a larger   where neither the step sizes nor the ridge are stretched over all steps: step n is then the
                             same in a longer run. (The last step of the shorter one was scored on validation, too;
                             where `evaluate.every` divides it, so it is in the longer one.)
All else changes what the remaining steps do, so that no configuration would describe the run: that is a fork.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from kerneldistill.config.schema import Config
from kerneldistill.config.toml import Difference


def free(change: Difference, config: Config) -> bool:
    """Whether a run may go on with a change; `config` is the one it goes on with."""
    if change.name == "optim.steps":
        stretched = config.optim.schedule.name in ("cosine", "linear")
        stretched |= config.krr.first_ridge is not None and config.krr.ridge_steps is None
        return change.right > change.left and not stretched
    return change.name.startswith("checkpoint.") or change.name in ("data.dir", "evaluate.baseline_draws")


def in_words(changes: Sequence[Difference]) -> str:
    """Every name with both values."""
    return ", ".join(f"{change.name} is {change.left!r} there and {change.right!r} here" for change in changes)


def write_down(file: Path, changes: Sequence[Difference]) -> None:
    """Adds one line of JSON to a file: when, and every name with the value before and after."""
    line = {"when": time.time(), **as_json(changes)}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def as_json(changes: Sequence[Difference]) -> dict[str, dict[str, list[object]]]:
    """Every name with the value before and after, of JSON's types."""
    return {"changes": {change.name: [change.left, change.right] for change in changes}}
