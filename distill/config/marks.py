"""What a field of `Config` carries in `Annotated` beside its type: a range of annotated-types, and a `Mark`.

pydantic enforces the ranges; `config.settings` reads both.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

# When a setting may change.
# resume: in a run that goes on, since it changes no number of a step. longer: the same, to a larger value, where no
# schedule is stretched over all steps. fork: in a fork only. never: not even there; it decides what the images mean.
Change = Literal["resume", "longer", "fork", "never"]
# The first stage whose numbers depend on a setting.
StageName = Literal["distill", "evaluate"]


@dataclass(frozen=True)
class Mark:
    """What is known of a setting, or of all settings in a table.

    change: when it may change
    stage: the first stage that depends on it; None if none does
    example: a good value for messages; None takes the default
    inside: names and marks of single settings, in a table whose type stands elsewhere
    """

    change: Change = "fork"
    stage: StageName | None = "distill"
    example: object = None
    inside: tuple[tuple[str, "Mark"], ...] = ()


ANYTIME = Mark("resume", stage=None)

# The largest whole number that a float holds exactly; in words, no bound.
LARGEST = 2**53
Count = Annotated[int, Interval(ge=1, le=LARGEST)]
CountOrZero = Annotated[int, Interval(ge=0, le=LARGEST)]
# Layers: more take minutes to trace, and their kernel is nearly constant.
Depth = Annotated[int, Interval(ge=1, le=1000)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Interval(ge=0, le=1)]
FractionAbove0 = Annotated[float, Interval(gt=0, le=1)]
Decay = Annotated[float, Interval(ge=0, lt=1)]
# numpy and jax both take seeds of 32 bits without folding two of them into one.
Seed = Annotated[int, Interval(ge=0, le=2**32 - 1)]
