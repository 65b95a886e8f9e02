"""What an algorithm of the outer loop is: `init`, `step` and `support`, as optax's optimisers are `init` and `update`.

The loop, its checkpoints, its recovery from faults, forks and plans know no more of an algorithm than this. To add one,
write a module with a class of these methods and give it a row in `algorithms.registry`.
"""

from collections.abc import Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.support import Support
from kerneldistill.config.schema import Config

State = TypeVar("State")


class StepResult(NamedTuple, Generic[State]):
    """What a step gives.

    state: after it
    loss: before it
    entries: kernel entries evaluated
    metrics: further finite numbers for the record of the run, by name
    """

    state: State
    loss: float
    entries: int
    metrics: Mapping[str, float]


class SecondOrder(NamedTuple):
    """What steps that go by Jacobians of k_ts do with them, for plans; all but the first step keep earlier ones.

    kept: int [steps] targets whose Jacobians a step goes over, at most
    passes: how often it does, at most
    by_k_ss: whether it also takes the Jacobian of k_ss
    """

    kept: np.ndarray
    passes: int
    by_k_ss: bool


class Algorithm(Protocol[State]):
    """An algorithm of the outer loop.

    Its state is a pytree of jax and numpy arrays of at least one element, jax keys and numbers; a run saves it and goes
    on from it bit for bit. So keep nothing else from step to step, and draw random numbers from the seed and the step.

    shorter_steps: the remedy, for a user, where the steps were too long
    """

    shorter_steps: str

    def init(self, problem: Problem) -> State:
        """The state at step 0, where the support is `problem.start`."""
        ...

    def step(self, problem: Problem, state: State, i: int, ridge_factor: float = 1.0) -> StepResult[State]:
        """Take outer step number `i`, counted from 0, and leave `state` as it is. Equal arguments give equal results.

        Go through work of more than a few seconds in chunks that `runtime.distributed.stop.polled` gives: it ends the
        step when the run must stop. Of several processes each takes the step, and all get the same bits.

        ridge_factor: multiply the ridge by it (`ridge.ridge_of_step`); above 1 after a fault

        Raises:
          NumericalError: the step cannot be taken with this ridge; the loop tries again with a larger one.
        """
        ...

    def support(self, state: State) -> Support:
        """The support after the steps that led to `state`, of the shapes and types of `problem.start`."""
        ...

    def step_entries(self, rows: int, targets: int) -> int:
        """Kernel entries of a step from `rows` support images to `targets`, for plans: each with its gradient."""
        ...

    def second_order(self, config: Config, targets: np.ndarray) -> SecondOrder | None:
        """What steps to `targets` [steps] do by the Jacobian of every entry; None if they take sums of gradients."""
        ...
