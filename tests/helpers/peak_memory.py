"""The peak memory of outer steps, measured and planned.

`python -m tests.helpers.peak_memory NAME` takes the steps, and an evaluation, of a case below on random images, with
everything compiled anew; prints the largest resident memory of its process in bytes, and the plan's.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

from kerneldistill.config.optim_config import OptimConfig, OptimizerName
from kerneldistill.config.schema import (
    Config,
    DataConfig,
    EvaluateConfig,
    KernelConfig,
    RandomFeaturesConfig,
    SupportConfig,
)
from kerneldistill.runtime import devices


class Case(NamedTuple):
    """shape: (h, w, c). train: images. kernel: network and precision. support, targets: images of a step.

    steps, optimiser: how many are taken, and by which
    networks: of random features; 0: the exact kernel
    """

    shape: tuple[int, int, int]
    train: int
    kernel: KernelConfig
    support: int
    targets: int
    steps: int = 1
    optimiser: OptimizerName = "adam"
    networks: int = 0


CASES = {
    "digits": Case((8, 8, 1), 1437, KernelConfig("conv_net", 2), 10, 400),
    "digits, 200 images": Case((8, 8, 1), 1437, KernelConfig("fc", 1), 200, 400),
    "28x28": Case((28, 28, 1), 8_000, KernelConfig("conv_net", 3), 10, 64),
    "32x32": Case((32, 32, 3), 8_000, KernelConfig("conv_net", 3), 10, 64),
    "32x32, 20 images": Case((32, 32, 3), 2_000, KernelConfig("conv_net", 3), 20, 32),
    "16x16, global mean": Case((16, 16, 3), 2_000, KernelConfig("conv_net", 2, global_pool=True), 10, 128),
    "dense, 5,000 targets": Case((32, 32, 3), 45_000, KernelConfig("fc", 1), 100, 5_000),
    "no pools": Case((16, 16, 3), 20_000, KernelConfig("conv_vec", 3), 50, 1_000),
    "10 x 2,000": Case((32, 32, 3), 8_000, KernelConfig("conv_net", 3), 10, 2_000),
    "1 x 2,000": Case((32, 32, 3), 8_000, KernelConfig("conv_net", 3), 1, 2_000),
    "1 x 8,000": Case((32, 32, 3), 8_000, KernelConfig("conv_net", 3), 1, 8_000),
    "float64": Case((16, 16, 3), 10_000, KernelConfig("conv_net", 2, dtype="float64"), 20, 256),
    "random features": Case((16, 16, 3), 2_000, KernelConfig("conv_net", 2, get="nngp"), 100, 200, networks=4),
    "second order, dense": Case((32, 32, 3), 8_000, KernelConfig("fc", 1), 10, 1_000, 4, "gauss_newton"),
    "second order, 16x16": Case((16, 16, 3), 2_000, KernelConfig("conv_net", 2), 10, 500, 3, "gauss_newton"),
}


def config_of(case: Case) -> Config:
    """The configuration of a case."""
    return Config(
        data=DataConfig(),
        kernel=case.kernel,
        support=SupportConfig(case.support),
        optim=OptimConfig(case.optimiser, steps=case.steps, target_batch=case.targets),
        evaluate=EvaluateConfig(baseline_draws=0),
        random_features=RandomFeaturesConfig(case.networks),
    )


def resident_peak() -> int:
    """The largest resident memory of this process, bytes. getrusage tells its parent's where that was larger."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def main(name: str) -> None:
    """Takes the steps."""
    os.environ["KERNELDISTILL_CACHE"] = ""
    devices.setup()
    import jax
    import numpy as np

    from kerneldistill.algorithms.engines import engine_of
    from kerneldistill.algorithms.problem import Problem
    from kerneldistill.algorithms.random_streams import balanced
    from kerneldistill.algorithms.registry import algorithm_of
    from kerneldistill.algorithms.scoring import evaluate
    from kerneldistill.algorithms.step_kernels import kernels_of, validation_engine
    from kerneldistill.algorithms.support import real_support
    from kerneldistill.algorithms.targets import Targets
    from kerneldistill.pipeline.split import Split
    from kerneldistill.runs import stages  # noqa: F401  # what a run loads
    from kerneldistill.runs.planning.dataset_size import DataSize
    from kerneldistill.runs.planning.memory import memory_of
    from kerneldistill.runs.planning.workload import workload_of

    case = CASES[name]
    config, engine = config_of(case), engine_of(case.kernel, case.shape)
    rng = np.random.default_rng(0)
    labels = np.arange(case.train, dtype=np.int32) % 10
    train = Split(rng.standard_normal((case.train, *case.shape), dtype=np.float32), labels)
    held_out = Split(train.images[:64], labels[:64])
    start = real_support(train, balanced(labels, 10, case.support, rng), 10, engine.dtype)
    targets = Targets(engine, train, 10)
    judge = validation_engine(config, targets)
    problem = Problem(config, judge, start, targets, Targets(judge, held_out, 10), kernels_of(config, targets))
    evaluate(judge, start, problem.validation, config.krr.ridge)
    algorithm = algorithm_of(config)
    state = algorithm.init(problem)
    for i in range(case.steps):
        state = algorithm.step(problem, state, i).state
    measured = resident_peak()
    size = DataSize("random", case.shape, 10, case.train, 64, 0)
    print(measured, memory_of(workload_of(config, size, len(jax.devices()))).host)


if __name__ == "__main__":
    main(sys.argv[1])
