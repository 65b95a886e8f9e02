"""Count what a run on features of an encoder computes: images encoded, and the products of its linear algebra.

In the words of a `Workload` an entry is an image of the support, encoded, and with its gradient encoded again and
pulled back; a pass is a multiplication with its addition, on the host. Targets are encoded once, and in a step meet the
weights [D, k] forward and backward; the support's system is solved in the dual or the primal, whichever is smaller.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kerneldistill.algorithms.ensemble import views
from kerneldistill.kernels.feature_engine import CHUNK, FeatureEngine
from kerneldistill.kernels.flops import Flops
from kerneldistill.runs.planning.workload import Workload
from kerneldistill.runs.training.schedule import to_validate


@dataclass(frozen=True)
class FeatureWorkload(Workload):
    """What a run on features computes."""

    engine: FeatureEngine  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def features(self) -> int:
        """d."""
        return self.engine.size

    def chunk_of(self, targets: int) -> int:
        """Targets of a chunk, whose features are at hand."""
        return min(CHUNK, targets)

    @cached_property
    def pairs(self) -> int:
        """Images that all devices encode together."""
        return self.engine.group

    @cached_property
    def flops(self) -> Flops:
        """Operations of encoding an image, as XLA counts them, and of the gradient by it."""
        one = jax.ShapeDtypeStruct((1, *self.engine.image_shape), self.engine.dtype)
        phi = self.engine.kernel.phi

        def slope(x: jax.Array) -> jax.Array:
            return jax.grad(lambda own: jnp.sum(phi(own)))(x)

        forward, both = (jax.jit(of).lower(one).cost_analysis() or {} for of in (phi, slope))
        return Flops(*(max(1, int(cost.get("flops", 0))) for cost in (forward, both)))

    @cached_property
    def bytes_of_image(self) -> int:
        """Bytes of all that the encoder computes of an image on the way."""
        one = jax.ShapeDtypeStruct((1, *self.engine.image_shape), self.engine.dtype)
        return _bytes_of(jax.make_jaxpr(self.engine.kernel.phi)(one).jaxpr)

    def entries_of(self, targets: int) -> int:
        """Images of the support that a step encodes and differentiates; targets are at hand."""
        return self.rows

    @cached_property
    def validation_entries(self) -> int:
        """Images encoded for all evaluations on the validation split."""
        steps = self.config.optim.steps
        due = sum(to_validate(step, self.config) for step in range(1, steps + 1))
        times = 1 + due * (1 if self.config.optim.average is None else 2)
        return times * self.rows if self.size.validation else 0

    @cached_property
    def test_entries(self) -> int:
        """Images encoded for the final evaluation: of all sets, and of each view of test."""
        names = self.config.evaluate.ensemble
        sets = 2 + self.config.evaluate.baseline_draws + bool(names) + bool(self.size.validation)
        return sets * self.rows + (len(views(names)) * self.size.test if names else 0)

    @property
    def start_entries(self) -> int:
        """Images encoded for the start, and for solved labels of the same images once."""
        return self.rows

    @property
    def label_entries(self) -> int:
        """Images encoded beside the targets where labels are solved for."""
        return self.rows

    @cached_property
    def images(self) -> int:
        """Images that are encoded once and kept."""
        return self.size.train + self.size.validation + self.size.test

    def images_of(self, targets: int) -> int:
        """Targets encoded in a step: the augmented ones."""
        return targets * bool(self.config.augment.names)

    @cached_property
    def passed(self) -> np.ndarray:
        """Multiplications with their additions in the linear algebra of each step."""
        size, rows, classes = self.features + 1, self.rows, self.size.num_classes
        least = min(size, rows)
        # The system and its factor; what is fitted and pulled back; the targets forward and backward.
        own = rows * size * least + least**3 // 3 + 8 * rows * size * classes
        return own + 2 * self.targets_of_steps * size * classes

    @property
    def resolutions(self) -> tuple[str, ...]:
        """None: the encoder is a function."""
        return ()


def _bytes_of(jaxpr: Any) -> int:
    """Bytes of every value in a program, and in the programs that it calls."""
    total = 0
    for equation in jaxpr.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        called = [one for one in inner if hasattr(one, "eqns")]
        if called:
            total += sum(map(_bytes_of, called))
        else:
            total += sum(prod(out.aval.shape) * out.aval.dtype.itemsize for out in equation.outvars)
    return total
