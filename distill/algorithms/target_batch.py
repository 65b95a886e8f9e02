"""How many targets a step has: all steps alike, more and more by a rule, or as the noise of the gradient asks.

For B targets drawn at random the gradient is G + noise of variance tr(S) / B, in all its components. The noise scale
tr(S) / |G|^2 is the B at which both are equally long: below it twice the targets give a step nearly twice as good, far
above it they give nothing (1812.06162, section 2.2). |G| falls as a set is learned, and the scale rises.
"""

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from kerneldistill.config.schema import OptimConfig
from kerneldistill.runtime.distributed import collectives

# The means of noise and gradient are over about the last 20 measurements, and begin anew with each number of targets.
_MEASUREMENTS = 20


class GradientNoise(NamedTuple):
    """What is known of the gradient's noise; part of the state of an algorithm whose batch it decides.

    level: how often the batch has grown
    measurements: at this level
    signal: mean of |G|^2
    variance: mean of tr(S)
    """

    level: int = 0
    measurements: int = 0
    signal: float = 0.0
    variance: float = 0.0

    @property
    def scale(self) -> float:
        """The noise scale, in targets; infinite where the gradient is nothing but noise."""
        return self.variance / self.signal if self.signal > 0 else np.inf


def batch_sizes(optim: OptimConfig, num_classes: int) -> tuple[int, ...]:
    """The numbers of targets that steps may have, ascending: whole multiples of the classes, but for the last."""
    growth, last = optim.growth, optim.target_batch
    if growth.name == "constant":
        return (last,)
    count = len(growth.at) + 1 if growth.name == "piecewise" else growth.sizes
    spaced = (np.linspace if growth.name == "linear" else np.geomspace)(growth.first, last, count)
    whole = num_classes * np.maximum(1, np.rint(spaced[:-1] / num_classes)).astype(int)
    return (*(min(int(size), last) for size in whole), last)


def batch_of_step(optim: OptimConfig, num_classes: int, step: int, noise: GradientNoise | None = None) -> int:
    """How many targets step number `step`, counted from 0, has.

    noise: in the state before the step; of `first_noise`
    """
    sizes = batch_sizes(optim, num_classes)
    match optim.growth.name:
        case "piecewise":
            level = bisect_right(optim.growth.at, step)
        case "noise":
            level = 0 if noise is None else noise.level
        case _:
            level = step * len(sizes) // max(1, optim.steps)
    return sizes[min(level, len(sizes) - 1)]


def first_noise(optim: OptimConfig) -> GradientNoise | None:
    """Nothing measured; None where the batch does not depend on it."""
    return GradientNoise() if optim.growth.name == "noise" else None


def measured(
    noise: GradientNoise, optim: OptimConfig, num_classes: int, halves: tuple[np.ndarray, np.ndarray], targets: int
) -> GradientNoise:
    """Add the measurement of one step, and let the batch grow if it is due.

    With gradients a, b of half the targets each, <a, b> estimates |G|^2 and |a - b|^2 B/4 estimates tr(S), neither with
    a bias (1812.06162, appendix A.1, of two halves).

    Args:
      noise: before
      optim: of the configuration
      num_classes: k
      halves: the gradients, of any one shape
      targets: B, of both halves
    """
    a, b = (half.astype(np.float64).ravel() for half in halves)
    # Other processors may round otherwise: all decide by the bits of one.
    new = collectives.broadcast(np.array([a @ b, (a - b) @ (a - b) * targets / 4]))
    count = noise.measurements + 1
    old = np.array([noise.signal, noise.variance])
    signal, variance = (old + max(1 / count, 1 / _MEASUREMENTS) * (new - old)).tolist()
    found = GradientNoise(noise.level, count, signal, variance)
    larger = found.level + 1 < len(batch_sizes(optim, num_classes))
    if larger and count >= _MEASUREMENTS and targets < optim.growth.noise * found.scale:
        return GradientNoise(level=found.level + 1)
    return found
