"""The plan as a whole: what it counts, says and refuses."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock, call

import pytest

from kerneldistill.cli import main as cli
from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import AugmentConfig, Config, KernelConfig, SupportConfig
from kerneldistill.errors import UserError
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.calibration import Speed, calibrate
from kerneldistill.runs.planning.dataset_size import DataSize, size_of
from kerneldistill.runs.planning.levels import workloads_of
from kerneldistill.runs.planning.machine import Machine
from kerneldistill.runs.planning.memory import memory_of
from kerneldistill.runs.planning.plan import MARGIN, REMEDIES, check_fits, label_solve_seconds, plan_of, seconds_of
from kerneldistill.runs.planning.table import table
from kerneldistill.runs.planning.workload import Workload, workload_of
from kerneldistill.runs.training.metrics import MetricsLog
from kerneldistill.runtime import devices

SPEED = Speed(forward=2.0, gradient=5.0, features=1.0, compile=7.0)


@pytest.fixture
def work(small: Config) -> Workload:
    """Of 12 steps of 10 x 100 entries, validated every fourth."""
    return workload_of(small, DataSize("random", (8, 8, 1), 10, 1000, 50, 200), 2)


def test_the_sizes_are_those_of_what_is_prepared(finished: RunDir, small: Config, tmp_path: Path) -> None:
    prepared = size_of(small, finished.prepared)
    assert prepared == DataSize("digits", (8, 8, 1), 10, 1297, 140, 360)
    # Before, the validation images of each class are not known.
    source = size_of(small, tmp_path)
    assert (source.train + source.validation, source.test) == (1437, 360)
    assert abs(source.validation - 140) <= 10
    # Other data than those prepared there.
    part = replace(small, data=replace(small.data, train_split="train[:500]"))
    assert size_of(part, finished.prepared).train == 450


def test_entries_are_those_of_a_run(finished: RunDir, small: Config) -> None:
    work = workload_of(small, size_of(small, finished.prepared), 2)
    records = [record for record in MetricsLog(finished.metrics_file).read() if "entries_per_second" in record]
    assert {round(r["seconds"] * r["entries_per_second"]) for r in records} == {work.step_entries}


def test_what_is_evaluated_is_counted(work: Workload) -> None:
    # At steps 0, 4, 8 and 12; at the end the learned set (on validation, too), its start and two random ones on test.
    assert work.validation_entries == 4 * 10 * (50 + 10)
    assert work.test_entries == 4 * 10 * (200 + 10) + 10 * (50 + 10)


def test_seconds_follow_the_entries(work: Workload) -> None:
    seconds = seconds_of(work, SPEED)
    assert seconds.step == 10 * 110 * 5.0 + 2 * 10 * 1.0
    assert seconds.steps == 12 * seconds.step
    assert seconds.validation == 2.0 * work.validation_entries
    assert seconds.total == pytest.approx(7.0 + work.images + seconds.steps + seconds.validation + seconds.evaluation)
    solved = label_solve_seconds(work, SPEED)
    assert solved.steps == 2.0 * 10 * 1010
    assert solved.evaluation == pytest.approx(seconds.evaluation - 2.0 * 10 * (200 + 10))


def test_what_a_step_does_more_is_planned_or_told(small: Config, work: Workload) -> None:
    mirrored = replace(small, support=SupportConfig(size=10, flip=True))
    assert workload_of(mirrored, work.size, 2).step_entries == 20 * (100 + 20)
    augmented = replace(small, augment=AugmentConfig(names=("flip",)))
    assert workload_of(augmented, work.size, 2).step_images == work.step_images + 100
    sampled = replace(small, kernel=replace(small.kernel, sampled=("same", "depth=2")))
    (note,) = plan_of(workload_of(sampled, work.size, 2), Machine("cpu", 2, None)).notes
    assert "planned is the main kernel alone" in note
    assert work.notes == ()
    (note,) = plan_of(work, Machine("cpu", 2, int(memory_of(work).host / 1.1))).notes
    assert note == "it may not fit: predictions of memory are right within 25%"


def test_a_calibration_times_real_tiles(work: Workload) -> None:
    speed = calibrate(work)
    assert 0 < speed.forward < speed.gradient < 1
    assert speed.features > 0


def test_the_json_holds_what_the_table_says(work: Workload) -> None:
    plan = plan_of(work, Machine("cpu", 2, 10**10), SPEED)
    document = json.loads(plan.to_json())
    assert (
        document["memory"]["host_bytes"]
        == plan.memory.host
        == sum(part["host"] + 2 * part["device"] for part in document["memory"]["parts"])
    )
    assert document["seconds"]["total"] == plan.seconds.total
    text = table(plan)
    assert "10 images learned from 1,000 of random, 8x8x1" in text
    assert "of 10.00 GB" in text
    assert "1,100 entries with gradient" in text
    assert "time: not measured" in table(plan_of(work, Machine("cpu", 2, None)))


def test_a_run_without_steps_of_its_own_is_timed_by_the_level_before(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Mock(where="there", milestones=Mock(return_value=()))
    monkeypatch.setattr("kerneldistill.runs.planning.plan.precedent_for", lambda config: found)
    optim = replace(small.optim, steps=0)
    first, own = workloads_of(replace(small, optim=optim, coarse=("4,optim.steps=5",)), RunDir(tmp_path), 2)
    coarse = plan_of(first, Machine("cpu", 2, None), SPEED)
    plan_of(own, Machine("cpu", 2, None), SPEED, coarse)
    assert coarse.seconds is not None
    assert found.milestones.call_args_list == [call(coarse.seconds.step / coarse.entries)] * 2


def test_the_levels_are_planned_with_the_run(small: Config, tmp_path: Path) -> None:
    config = replace(small, support=SupportConfig(10, learn_labels=True), coarse=("4,optim.steps=5", "kernel.get=nngp"))
    works = workloads_of(config, RunDir(tmp_path), 2)
    assert [work.size.image_shape for work in works] == [(4, 4, 1), (8, 8, 1), (8, 8, 1)]
    assert [work.refit_entries > 0 for work in works] == [False, True, True]
    refitted = replace(config, support=replace(config.support, refit="cross_entropy", refit_targets=300))
    *_, closing = workloads_of(refitted, RunDir(tmp_path), 2)
    assert closing.refit_entries == works[2].refit_entries + 10 * (300 + 10)
    plan = None
    for work in works:
        plan = plan_of(work, Machine("cpu", 2, None), SPEED, plan)
    assert plan is not None
    first, second = plan.levels
    times = [level.seconds for level in (first, second, plan)]
    assert times[0].steps == 5 * times[0].step
    assert plan.total == pytest.approx(times[0].learning + times[1].learning + times[2].total)
    assert times[1].learning == times[1].total - times[1].evaluation
    assert times[1].refit == 2.0 * works[1].refit_entries
    document = json.loads(plan.to_json())
    assert document["seconds"]["total_with_levels"] == plan.total
    assert document["coarse"]["coarse"]["data"]["image_shape"] == [4, 4, 1]
    text = table(plan)
    assert "1: 4x4x1, fc d1 nngp  5 steps of 1,100 entries" in text
    assert "2: 8x8x1, fc d1 nngp  12 steps of 1,100 entries" in text
    assert "of it, coarser levels" in text
    with pytest.raises(UserError, match=r"size 16, but the images of digits"):
        workloads_of(replace(config, coarse=(16,)), RunDir(tmp_path), 2)


def test_what_cannot_fit_is_refused_with_numbers_and_a_remedy(small: Config) -> None:
    size = DataSize("random", (32, 32, 3), 10, 50_000, 0, 0)
    config = replace(small, support=SupportConfig(size=20_000))
    memory = memory_of(workload_of(config, size, 2))
    check_fits(config, memory, Machine("cpu", 2, int(memory.limited / MARGIN) + 1))
    check_fits(config, memory, Machine("cpu", 2, None))
    with pytest.raises(UserError) as caught:
        check_fits(config, memory, Machine("cpu", 2, 10**9))
    message = str(caught.value)
    assert message.startswith(
        f"this process would need about {memory.host / 1e9:.2f} GB of memory, and can have 1.00 GB"
    )
    assert "for support (support.size 20000, optim.target_batch 100, kernel.dtype float32)" in message
    assert "set a smaller --support.size" in message
    assert "use --kernel.dtype" not in message
    precise = replace(config, kernel=replace(config.kernel, dtype="float64"))
    with pytest.raises(UserError, match=r": use --kernel\.dtype float32, or set a smaller --support\.size"):
        check_fits(precise, memory_of(workload_of(precise, size, 2)), Machine("cpu", 2, 10**9))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_part_that_may_be_largest_has_a_remedy(preset: str) -> None:
    size = DataSize("random", (32, 32, 3), 10, 50_000, 0, 0)
    parts = memory_of(workload_of(PRESETS[preset], size, 2)).parts
    assert {part.name for part in parts} - {"process", "libraries of the preparation", "compiler"} <= set(REMEDIES)


def test_a_network_that_cannot_take_the_images_is_a_mistake(small: Config, tmp_path: Path) -> None:
    config = replace(small, kernel=KernelConfig("conv_net", 5))
    with pytest.raises(UserError, match=r"kernel\.depth is 5, but images of 8x8"):
        size_of(config, tmp_path)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs `kdistill plan` with the suite's devices in an empty folder: exit status, standard output, errors."""
    monkeypatch.setattr(devices, "setup", lambda: None)
    monkeypatch.chdir(tmp_path)

    def run(args: Sequence[str]) -> tuple[int, str, str]:
        status = cli.main(["plan", *args])
        return status, *capsys.readouterr()

    return run


def test_the_command_prints_json(planned) -> None:
    status, out, err = planned(["digits", "--no-calibrate", "--json", "--devices", "4", "--memory", "9GB"])
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert document["machine"] == {"platform": "cpu", "devices": 4, "memory": 9 * 10**9}
    assert (document["support"], document["seconds"]) == (10, None)


def test_the_command_times_only_this_machine(planned, caplog: pytest.LogCaptureFixture) -> None:
    status, out, _ = planned(["digits", "--kernel.network", "fc", "--kernel.depth", "1", "--devices", "3"])
    assert status == 0
    assert "time: not measured" in out
    assert "this machine has not 3 devices" in caplog.text


def test_the_command_refuses_before_it_computes(planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerneldistill.runs.planning.calibration.calibrate", None)
    status, out, err = planned(["digits", "--memory", "300MB"])
    assert (status, out) == (2, "")
    assert err.startswith("kdistill: error: this process would need about ")
    assert err.count("\n") == 1
