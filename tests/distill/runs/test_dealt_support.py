"""A run whose support is dealt to its devices learns what one learns whose devices hold all of it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.config.data_limits import check_shards
from kerneldistill.config.schema import Config, KernelConfig, SupportConfig
from kerneldistill.config.validation import check
from kerneldistill.errors import UserError
from kerneldistill.kernels.tile_memory import deviations
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.planning.memory import memory_of
from kerneldistill.runs.planning.roofline import named, roofline
from kerneldistill.runs.planning.workload import Workload, workload_of

ON_FOUR_DEVICES = """
import os
import sys
os.environ.update(PJRT_NPROC="8", NPROC="8", JAX_PLATFORMS="cpu", KERNELDISTILL_PREPARED=sys.argv[1] + "/prepared")
import jax
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_enable_x64", True)
from dataclasses import replace
from pathlib import Path
import numpy as np
import kerneldistill as kd
from kerneldistill.runs import stages
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.outcome import Outcome

folder, found = Path(sys.argv[1]), {}
for name, rate in (("adam", 0.01), ("gauss_newton", 0.5)):
    for shards in (1, 2):
        config = kd.Config(
            data=kd.DataConfig(),
            kernel=kd.KernelConfig(network="fc", depth=1, dtype="float64"),
            support=kd.SupportConfig(size=10, learn_labels=True, flip=name == "adam", shards=shards),
            optim=kd.OptimConfig(name=name, learning_rate=rate, steps=3, target_batch=100),
            evaluate=kd.EvaluateConfig(every=3, baseline_draws=1),
        )
        rundir = RunDir(folder / f"{name}-{shards}")
        with rundir.open(config):
            stages.run(config, rundir)
        outcome = Outcome.load(rundir.outcome_file)
        found |= {f"{name}-{shards}-images": outcome.support.images, f"{name}-{shards}-labels": outcome.support.labels}
        found[f"{name}-{shards}-start"] = outcome.start.support.images
np.savez(folder / "found.npz", **found)
"""


@pytest.mark.slow
def test_a_run_on_a_square_of_devices_learns_the_same(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", ON_FOUR_DEVICES, str(tmp_path)], check=True)
    found = np.load(tmp_path / "found.npz")
    for name in ("adam", "gauss_newton"):
        assert np.abs(found[f"{name}-1-images"] - found[f"{name}-1-start"]).max() > 1e-3
        for what in ("images", "labels"):
            one, dealt = found[f"{name}-1-{what}"], found[f"{name}-2-{what}"]
            np.testing.assert_allclose(dealt, one, rtol=0, atol=1e-6 * np.abs(one).max())


def planned(small: Config, shards: int, rows: int = 5000) -> Workload:
    config = replace(
        small,
        kernel=KernelConfig(network="conv_net", depth=3),
        support=SupportConfig(rows, shards=shards),
        optim=replace(small.optim, target_batch=8192),
    )
    size = DataSize("random", (32, 32, 3), 10, 50_000, 50, 200)
    return workload_of(config, size, named("v5e:8x8").described)


def test_a_plan_has_the_rows_of_a_device_alone(small: Config) -> None:
    whole, dealt = planned(small, 1), planned(small, 8)
    assert (whole.rows_per_device, dealt.rows_per_device) == (5000, 625)
    assert dealt.per_device == 8 * whole.per_device * dealt.chunk // whole.chunk
    parts = [{part.name: part.device for part in memory_of(work).parts} for work in (whole, dealt)]
    # Four copies of all rows, and four of an eighth with all rows once, which k_ss takes.
    assert parts[1]["support"] == parts[0]["support"] * (4 / 8 + 1) / 4
    assert memory_of(dealt).device < memory_of(whole).device


def test_a_plan_counts_what_dealt_rows_exchange(small: Config) -> None:
    found = [roofline(planned(small, shards), named("v5e:8x8"), compile=False).exchanged for shards in (1, 8)]
    pixels = 4 * 32 * 32 * 3
    assert found[0] == pytest.approx(2 * 63 / 64 * 5000 * pixels)
    # Over the eight that have the same rows; and for k_ss the features of the others' rows come, once.
    features = pixels + 4 * deviations(planned(small, 1).engine.network, (32, 32, 3))
    assert found[1] == pytest.approx(2 * 7 / 8 * 625 * pixels + 7 * 625 * features)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"support": SupportConfig(10, shards=4)}, r"support.size of 10: set, for example, --support.shards 2"),
        ({"kernel": KernelConfig(network="features", depth=1, encoder="a:b")}, "leave it out"),
    ],
)
def test_what_cannot_be_dealt_is_refused(small: Config, changes: dict, message: str) -> None:
    config = replace(small, support=SupportConfig(10, shards=2))
    check(config)
    with pytest.raises(UserError, match=message):
        check(replace(config, **changes))


def test_parts_divide_the_devices() -> None:
    check_shards(SupportConfig(12, shards=4), 8)
    with pytest.raises(UserError, match=r"support.shards is 6, allowed on 4 devices .* --support.shards 2"):
        check_shards(SupportConfig(12, shards=6), 4)
