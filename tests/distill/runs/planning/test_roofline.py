"""Bounds on devices that are not there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.cli import main as cli
from kerneldistill.config.schema import Config, KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.runs.planning import roofline
from kerneldistill.runs.planning.compiled import Compiled
from kerneldistill.runs.planning.dataset_size import DataSize
from kerneldistill.runs.planning.workload import Workload, workload_of

SIZE = DataSize("random", (32, 32, 3), 10, 50_000, 50, 200)


def of(small: Config, name: str, targets: int = 1014, rows: int = 10, network: str = "conv_net") -> Workload:
    config = replace(
        small,
        kernel=KernelConfig(network=network, depth=3),
        support=replace(small.support, size=rows),
        optim=replace(small.optim, target_batch=targets),
    )
    return workload_of(config, SIZE, roofline.named(name).described)


def bounded(work: Workload, name: str, **asked) -> roofline.Roofline:
    return roofline.roofline(work, roofline.named(name), compile=False, **asked)


def test_the_fastest_step_has_the_vector_units_rate(small: Config) -> None:
    work = of(small, "v5e:2x2", 1014)
    found = bounded(work, "v5e:2x2")
    # Targets of 4 devices, all lanes of two tiles; and the features of ten rows, there and back.
    assert (work.per_device, found.lanes) == (256, 1.0)
    assert found.fits
    assert not found.compiled
    arithmetic = (10 * 1024 / 4 / found.lanes + 20) * work.flops.step / 6.16e12
    assert found.fastest == pytest.approx(arithmetic + found.exchange, rel=0.01)
    assert found.fastest < found.slowest
    # A ring of four sends 3/4 of the pixels twice.
    assert found.exchanged == 1.5 * 10 * 32 * 32 * 3 * 4


def test_what_a_step_leaves_empty_is_no_speed(small: Config) -> None:
    few, many = (bounded(of(small, name, 254), name) for name in ("v5e:2x2", "v5e:8x8"))
    # Sixteen times the chips, of whose lanes a sixteenth work.
    assert many.lanes < few.lanes / 10
    assert many.fastest > 0.5 * few.fastest


def test_a_fully_connected_network_is_products_of_matrices(small: Config) -> None:
    fc = of(small, "h100", network="fc")
    assert bounded(fc, "h100").fastest < bounded(of(small, "h100"), "h100").fastest / 100


@pytest.mark.slow
def test_chips_for_a_wanted_time(small: Config) -> None:
    work = of(small, "v5e:2x2", 40_000, rows=100)
    one = bounded(of(small, "v5e:1x1", 40_000, rows=100), "v5e:1x1")
    found = bounded(work, "v5e:2x2", wanted=12 * one.fastest / 6)
    assert found.chips is not None
    assert found.chips[0] == 8
    assert found.chips[1] is None or found.chips[1] > 8
    assert bounded(work, "v5e:2x2", wanted=1e-6).chips == (None, None)


def test_what_does_not_fit_is_said(small: Config) -> None:
    assert not replace(bounded(of(small, "v5e:2x2"), "v5e:2x2"), device_bytes=17 * 10**9).fits


def test_the_compiler_decides_where_it_is_there(small: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    work = of(small, "v5e:2x2")
    entries = work.rows * work.per_device
    programs = [
        Compiled(name, 3 << 30, 1 << 30, 2 << 30, 1e7 * entries, 1e6 * entries, 1, {}, 0.0, 1.0) for name in "ab"
    ]
    monkeypatch.setattr(roofline, "compile_for", lambda request: programs)
    monkeypatch.setattr("kerneldistill.kernels.topologies.find_spec", lambda _: True)
    found = roofline.roofline(work, roofline.named("v5e:2x2"), compile=True)
    assert found.compiled
    assert found.device_bytes == 6 << 30
    step = work.step_entries / 4 + 2 * work.rows
    assert found.slowest == pytest.approx(step * (2e7 / 6.16e12 + 2e6 / 819e9), rel=0.02)


@pytest.mark.parametrize("text", ["", "1", "0h", "h", "1e9h", "-1h", "1w"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"allowed is a time such as 90s, 30m, 2h or 1d"):
        roofline.seconds(text)


def test_the_command_prints_the_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "digits", "--dir", str(tmp_path / "run"), "--topology", "v5e:2x2", "--no-calibrate"]
    assert cli.main([*words, "--within", "1h"]) == 0
    text = capsys.readouterr().out
    assert "bounds on v5e:2x2, by published limits and our own account; the host is left out" in text
    assert "1 chip at the fastest" in text
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["roofline"]["topology"] == "v5e:2x2"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--topology", "v5e:2"], "'v5e:2' is no topology"),
        (["--topology", "v5e:2x2", "--devices", "2"], "leave --devices and --memory out"),
        (["--within", "1h"], "--within is 1h, but is of a --topology"),
    ],
)
def test_what_does_not_belong_together_is_refused(words, message, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "digits", *words]) == 2
    assert message in capsys.readouterr().err
