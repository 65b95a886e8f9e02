"""What the outer loop works on."""

from typing import NamedTuple

from distill.config import Config
from distill.support import Support
from distill.targets import Targets
from kernels.engine import Engine


class Problem(NamedTuple):
    """What the outer loop works on.

    config: of the run
    engine: the kernel
    start: the support at step 0
    train: targets to learn from
    validation: targets to choose by
    """

    config: Config
    engine: Engine
    start: Support
    train: Targets
    validation: Targets
