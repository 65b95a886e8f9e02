"""What the command line asks for, and what it refuses before anything is loaded."""

import re
from pathlib import Path

import pytest

from kerneldistill.cli.invocation import parsed
from kerneldistill.cli.main import main
from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError
from kerneldistill.evaluation.network_spec import FAMILIES, network_spec
from kerneldistill.evaluation.protocols import KRR, NAMES, PROTOCOLS, network_of
from kerneldistill.evaluation.request import EvaluationRequest, check_request

MAIN = KernelConfig(network="conv_net", depth=2)


def request(*args: str) -> EvaluationRequest:
    found = parsed(EvaluationRequest, ["runs/x", *args], "kdistill evaluate", None)
    check_request(found)
    return found


def test_protocols_have_networks_of_their_own() -> None:
    assert request().protocols == ()
    found = request("--protocol", "krr", "dc, kip,dc")
    assert found.protocols == ("krr", "dc", "kip")
    assert found.specs_of("dc") == (network_spec("convnet-instance"),)
    assert [(kernel.network, kernel.get) for kernel in found.kernels(MAIN)] == [
        ("conv_net", "ntk"),
        ("conv_net", "nngp"),
    ]
    assert (found.what, found.seeds) == (Path("runs/x"), 5)
    assert all(network_spec(network_of(name)) for name in NAMES if name != KRR)


def test_networks_and_kernels_go_to_the_protocols_they_are_of() -> None:
    found = request("--protocol", "krr", "dc", "--networks", "mlp,convnet-w8", "same", "network=fc,depth=1,get=nngp")
    assert [spec.name for spec in found.specs_of("dc")] == ["mlp", "convnet-w8"]
    kernels = found.kernels(MAIN)
    assert kernels[0] == MAIN
    assert (kernels[1].network, kernels[1].depth, kernels[1].get) == ("fc", 1, "nngp")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--protocol", "kipp"], "--protocol has 'kipp', allowed are: krr, linear, kip, dc"),
        (["--protocol", "dc", "--networks", "vgg"], "--networks has 'vgg', did you mean vgg11"),
        (["--protocol", "dc", "--seeds", "0"], "--seeds is 0, allowed is a whole number from 1 up"),
        (["--seeds", "3"], "--protocol is not given, and the other flags say how protocols judge"),
        (["--protocol", "krr", "--networks", "mlp"], "--networks has mlp, which is trained, but --protocol is krr"),
        (["--protocol", "dc", "--networks", "same"], "--networks has the kernel 'same', but --protocol is dc: add krr"),
    ],
)
def test_mistakes_are_refused(args: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        request(*args)


def test_a_kernel_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"--networks writes kernels as kernel\.sampled does"):
        request("--protocol", "krr", "--networks", "depht=2").kernels(MAIN)


def test_every_protocol_and_every_network_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert {*PROTOCOLS, *FAMILIES} <= {*re.split(r"[\s,;:.]+", capsys.readouterr().out)}
