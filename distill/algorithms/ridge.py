"""The ridge of a step: that of the configuration on its way from the first to the last, larger after a fault."""

import numpy as np

from kerneldistill.config.schema import Config


def scaled_ridge(config: Config, factor: float) -> float:
    """The ridge of a configuration times a factor; a ridge of 0 counts as the rounding of the kernel where it grows."""
    if factor > 1 and config.krr.ridge == 0:
        return factor * float(np.finfo(config.kernel.dtype).eps)
    return factor * config.krr.ridge


def ridge_of_step(config: Config, step: int, factor: float) -> float:
    """The ridge of step number `step`, counted from 0: from the first to the last one geometrically, times a factor."""
    last, krr = scaled_ridge(config, factor), config.krr
    if krr.first_ridge is None:
        return last
    over = max(1, config.optim.steps - 1 if krr.ridge_steps is None else krr.ridge_steps)
    return last * (krr.first_ridge / krr.ridge) ** (1 - min(1.0, step / over))
