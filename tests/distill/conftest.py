"""A finished run that several tests only read, and the room that optax needs."""

from collections.abc import Iterator

import jax
import pytest

from kerneldistill.config.schema import (
    CheckpointConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    KernelConfig,
    OptimConfig,
    SupportConfig,
)
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir


@pytest.fixture
def optax_may_promote() -> Iterator[None]:
    """Adam raises a float to the power of an int32, which the suite's strict flags forbid."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="session")
def small() -> Config:
    """Digits through one hidden layer, twelve steps: seconds, most of them Beam's."""
    return Config(
        data=DataConfig(),
        kernel=KernelConfig(network="fc", depth=1),
        support=SupportConfig(size=10),
        optim=OptimConfig(steps=12, target_batch=100),
        evaluate=EvaluateConfig(every=4, baseline_draws=2),
        checkpoint=CheckpointConfig(every=1),
    )


@pytest.fixture(scope="session")
def finished(small: Config, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """What `run.run` leaves. Do not change it: copy it."""
    rundir = RunDir(tmp_path_factory.mktemp("runs") / "digits")
    with jax.numpy_dtype_promotion("standard"), rundir.open(small):
        stages.run(small, rundir)
    return rundir
