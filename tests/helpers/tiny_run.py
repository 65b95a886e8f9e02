"""A run of a few steps on images of 6 x 6, without a run directory, and ways to stop it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from kerneldistill.algorithms.algorithm import Algorithm
from kerneldistill.algorithms.problem import Problem
from kerneldistill.algorithms.registry import ALGORITHMS
from kerneldistill.algorithms.support import real_support
from kerneldistill.algorithms.targets import Targets
from kerneldistill.config.schema import (
    CheckpointConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    KernelConfig,
    OptimConfig,
    SupportConfig,
)
from kerneldistill.kernels.architectures import fc_net
from kerneldistill.pipeline.split import Split
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.loop import TrainState, train
from kerneldistill.runs.training.metrics import TIMING, MetricsLog
from kerneldistill.runs.training.saver import CheckpointSaver
from tests.helpers.kernels import engine
from tests.helpers.splits import make_split

SHAPE = (6, 6, 1)
CONFIG = Config(
    data=DataConfig(),
    kernel=KernelConfig(network="fc", depth=1),
    support=SupportConfig(size=6),
    optim=OptimConfig(learning_rate=0.1, steps=3, target_batch=24),
    evaluate=EvaluateConfig(every=2),
    checkpoint=CheckpointConfig(geometric=False, every=2),
)
TRAIN = make_split((20, 18, 16), SHAPE, noise=2.0)
VALIDATION = make_split((9, 9, 8), SHAPE, seed=1, noise=2.0)
NO_VALIDATION = make_split((0, 0, 0), SHAPE)
ENGINES = {dtype: engine(fc_net(1), SHAPE, dtype=np.dtype(dtype)) for dtype in ("float32", "float64")}


def problem_of(config: Config, validation: Split = VALIDATION) -> Problem:
    own = ENGINES[config.kernel.dtype]
    rows = np.argsort(TRAIN.labels, kind="stable")[[0, 1, 20, 21, 38, 39]]
    start = real_support(TRAIN, rows, 3, own.dtype)
    return Problem(config, own, start, Targets(own, TRAIN, 3), Targets(own, validation, 3))


def with_steps(steps: int, **changes: Any) -> Config:
    return replace(CONFIG, optim=replace(CONFIG.optim, steps=steps, **changes))


def trained(folder: Path, problem: Problem, algorithm: Algorithm[Any] = ALGORITHMS["adam"]) -> TrainState:
    """Begins or goes on in `folder`."""
    checkpoints, best = (Checkpoints(folder / name, keep=2) for name in ("checkpoints", "best"))
    saver = CheckpointSaver(problem.config, checkpoints, best)
    return train(algorithm, problem, saver, MetricsLog(folder / "metrics.jsonl"))


def records(folder: Path) -> list[dict[str, int | float]]:
    """The metrics, without what may differ."""
    return [
        {name: value for name, value in record.items() if name not in TIMING}
        for record in MetricsLog(folder / "metrics.jsonl").read()
    ]


def assert_same(found: TrainState, truth: TrainState) -> None:
    """Bit for bit, in type, too, but for the time it took."""
    found, truth = (state._replace(elapsed=0.0, processor=0.0) for state in (found, truth))
    assert jax.tree.structure(found) == jax.tree.structure(truth)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.array_equal(a, b)


class Stopper:
    """Counts the moments before and after the calls of some functions, and raises `error` at moment number `at`."""

    def __init__(self, at: int, error: type[BaseException]) -> None:
        self.at, self.error, self.count = at, error, 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._moment()
            result = function(*args, **kwargs)
            self._moment()
            return result

        return call

    def _moment(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise self.error("stopped by the test")
