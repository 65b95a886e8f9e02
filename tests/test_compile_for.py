"""A step's programs, compiled for chips that are not there; and what the script writes of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerneldistill.algorithms.engines import network_of
from kerneldistill.config.schema import KernelConfig
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.flops import entry_flops
from kerneldistill.kernels.tile_memory import tiles
from kerneldistill.kernels.topologies import FAMILIES, topology
from kerneldistill.runs.planning.compiled import Compiled, Request, compile_for
from scripts import compile_for as script

RESULTS = Path(__file__).parents[1] / "scripts" / "results"
KERNEL, SHAPE, ROWS = KernelConfig(network="conv_net", depth=2), (8, 8, 1), 10


def compiled(name: str, programs: tuple[str, ...] = ()) -> dict[str, Compiled]:
    """The programs of a chunk that fills a tile of each device."""
    there = topology(name)
    if there.missing:
        pytest.skip(f"nothing here compiles for {name}: the extra [{there.missing}] is not installed")
    found = compile_for(Request(name, KERNEL, SHAPE, ROWS, 512 * there.devices, programs))
    return {each.program: each for each in found}


def test_the_one_exchange_of_a_step_is_the_pixels_gradient() -> None:
    found = compiled("v5e:2x2", ("pullback_images",))["pullback_images"]
    assert found.exchanges == {"all-reduce": 1}
    assert found.exchanged == ROWS * 8 * 8 * 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["v5e:2x2", "v5p:2x2x1", "v6e:2x2", "h100:2"])
def test_every_program_of_a_step_compiles(name: str) -> None:
    found = compiled(name)
    assert list(found) == list(script.PROGRAMS)
    exchanging = {program: of.exchanges for program, of in found.items() if of.exchanges}
    assert exchanging == {"pullback_images": {"all-reduce": 1}}
    counted = entry_flops(network_of(KERNEL), SHAPE, "ntk")
    # The compiler's arithmetic is ours, but for what it folds or computes twice, as a GPU's does for each fused kernel.
    again = 1.5 if name.startswith("h100") else 1.1
    assert 0.9 < found["block"].flops / (ROWS * 512 * counted.forward) < again
    assert 0.75 < found["pullback"].flops / (ROWS * 512 * counted.pullback) < max(again, 1.25)
    assert all(of.temporary < 1 << 30 for of in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("case", ["conv_net-10", "conv_net_mean-10", "myrtle-10"])
def test_the_account_of_tiles_is_the_compilers(case: str) -> None:
    request = script.request_for(case, "v5e:2x2", ("block", "pullback"))
    if topology("v5e:2x2").missing:
        pytest.skip("nothing here compiles for v5e: the extra [tpu-check] is not installed")
    devices = topology("v5e:2x2").described
    own = ExactEngine(network_of(request.kernel), "ntk", script.SHAPE, np.dtype("float32"), devices)
    account = tiles(own.network, script.SHAPE, "ntk", own.group, 4, own.device)
    groups = -(-request.targets // 4 // own.group)
    copied = own.saved_bytes(request.support, request.targets) // 4 // groups
    found = {each.program: each for each in compile_for(request)}
    assert account.forward.total == pytest.approx(found["block"].temporary, rel=0.25)
    assert account.reverse.total + copied == pytest.approx(found["pullback"].temporary, rel=0.25)


def test_a_fused_kernel_moves_a_tenth_of_what_xla_does() -> None:
    """In the committed records: XLA takes minutes to compile what kernels of ours replace."""
    own, xlas = (json.loads((RESULTS / f"compiled-v5e-2x2{which}.json").read_text())["cases"] for which in ("", "-xla"))
    for case in ("conv_net-10", "conv_net_mean-10", "myrtle-10"):
        for program in ("block", "pullback"):
            moved = [of[case]["programs"][program]["bytes"] for of in (own, xlas)]
            assert 10 * moved[0] < moved[1]


@pytest.mark.parametrize(
    "name", ["v5e", "v5e:2", "v5e:0x2", "v5e:2x2x2", "h100:2x2", "v9:2x2", "v5e:2xx2", "v5e:999x999"]
)
def test_what_is_no_topology_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no topology; they are such as v4:2x2x2"):
        topology(name)


def test_a_topology_is_described_without_its_compiler() -> None:
    assert topology("h100").devices == 1
    there = topology("v5e:4x8")
    assert len(there.described) == there.devices == 32
    assert there.described[0] == FAMILIES["v5e"][:2]


def test_the_script_compiles_only_what_its_file_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def compile_for(request: Request):
        asked.append(request.programs)
        return iter([Compiled(name, 1, 1, 1, 1e6, 1e6, 1, {}, 0.0, 1.0) for name in request.programs])

    monkeypatch.setattr(script, "compile_for", compile_for)
    file = tmp_path / "out.json"
    for programs in ("block", "block,pullback"):
        assert script.main(["v5e:2x2", "--only", "fc-10", "--programs", programs, "--out", str(file)]) == 0
    assert asked == [("block",), ("pullback",)]
    assert set(json.loads(file.read_text())["cases"]["fc-10"]["programs"]) == {"block", "pullback"}


def test_without_the_extra_the_script_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("kerneldistill.kernels.topologies.find_spec", lambda _: None)
    assert script.main(["h100", "--only", "fc-10", "--out", str(tmp_path / "out.json")]) == 1
    assert "pip install 'kerneldistill[gpu-check]'" in capsys.readouterr().err
    assert script.main(["h100", "--only", "other"]) == 1
    assert "--only has 'other', allowed are conv_net-10" in capsys.readouterr().err
