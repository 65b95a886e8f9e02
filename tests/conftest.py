"""Strict JAX for every test: float64 on, no silent promotion, two CPU devices. A finished run that tests only read."""

import os
from typing import TYPE_CHECKING

# Collectives between virtual CPU devices deadlock when XLA's thread pool is smaller than twice the devices.
os.environ.update(PJRT_NPROC="8", NPROC="8")
# Runs keep their data: what a test damages is its own. `tests/distill/runs/test_shared_data.py` shares some.
os.environ["KERNELDISTILL_PREPARED"] = ""
# Tiny images: compiling is nearly all the time, and this halves it. `XLA_FLAGS= pytest` tests optimised code.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import pytest

import kerneldistill as kd

if TYPE_CHECKING:
    from kerneldistill.runs.directory import RunDir

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs in pytest's cache, a folder for each worker: jax does not write them in one go.

    251 tests of tests/distill/algorithms take 0.92 of their processor time, the second time 0.43.
    """
    if cache := getattr(config, "cache", None):  # there is none with -p no:cacheprovider
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        jax.config.update("jax_compilation_cache_dir", str(cache.mkdir(f"programs-{worker}")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="session")
def small() -> kd.Config:
    """Digits through one hidden layer, twelve steps: seconds, most of them Beam's."""
    return kd.Config(
        data=kd.DataConfig(),
        kernel=kd.KernelConfig(network="fc", depth=1),
        support=kd.SupportConfig(size=10),
        optim=kd.OptimConfig(steps=12, target_batch=100),
        evaluate=kd.EvaluateConfig(every=4, baseline_draws=2),
        checkpoint=kd.CheckpointConfig(every=1),
    )


@pytest.fixture(scope="session")
def finished(small: kd.Config, tmp_path_factory: pytest.TempPathFactory) -> "RunDir":
    """What `run.run` leaves. Do not change it: copy it."""
    from kerneldistill.runs import stages
    from kerneldistill.runs.directory import RunDir

    rundir = RunDir(tmp_path_factory.mktemp("runs") / "digits")
    with jax.numpy_dtype_promotion("standard"), rundir.open(small):
        stages.run(small, rundir)
    return rundir
