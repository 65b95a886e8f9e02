"""The mean of the sets that the steps of any algorithm lead to: less noise than the newest of them has.

After n steps the mean is over about the last `fraction` n of them, so that it forgets the start at any length of a run:
    mean <- mean + w (set - mean),    w = 1 / (1 + fraction (n - 1)),
the polynomial-decay averaging of Shamir & Zhang (2013, 1212.1824, section 4) with eta = 1 / fraction - 1. The first
step has w = 1, so that nothing is left of where the mean began and no bias is to be corrected.
"""

from typing import Any, NamedTuple

import numpy as np
import optax

from kerneldistill.algorithms.support import Support


class Average(NamedTuple):
    """A mean of sets.

    support: the mean
    steps: how many sets it is the mean of
    """

    support: Support
    steps: int = 0

    def after(self, support: Support, fraction: float) -> "Average":
        """The mean with the set after one more step; the types stay."""
        weight = 1 / (1 + fraction * self.steps)
        mean: Any = optax.incremental_update(support, self.support, weight)
        # The mean of equal numbers is that number, to its last bit: so fixed labels stay what they are.
        kept = [np.where(new == old, new, found) for new, old, found in zip(support, self.support, mean, strict=True)]
        return Average(Support(*kept), self.steps + 1)
