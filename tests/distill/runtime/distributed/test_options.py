"""What flags and the environment say of other processes."""

import pytest

from kerneldistill.cli.invocation import Call
from kerneldistill.cli.run_arguments import Job, parse_job
from kerneldistill.errors import UserError
from kerneldistill.runtime.distributed.options import ALONE, Processes, resolved

WHOLE = Processes("10.0.0.1:1234", 4, 3)
ENVIRONMENT = {
    "KERNELDISTILL_COORDINATOR": "10.0.0.1:1234",
    "KERNELDISTILL_PROCESSES": "4",
    "KERNELDISTILL_PROCESS": "3",
}


def test_flags_lie_over_the_environment() -> None:
    assert resolved(ALONE, {}) is None
    assert resolved(WHOLE, {}) == WHOLE
    assert resolved(ALONE, ENVIRONMENT) == WHOLE
    assert resolved(Processes(index=0), ENVIRONMENT) == Processes("10.0.0.1:1234", 4, 0)
    assert resolved(Processes("auto"), {}) == Processes("auto")
    assert resolved(Processes("[::1]:80", 1, 0), {}) == Processes("[::1]:80", 1, 0)


@pytest.mark.parametrize(
    ("given", "environment", "told"),
    [
        (Processes(count=2, index=0), {}, "give --processes.coordinator HOST:PORT, or auto"),
        (Processes("node1", 2, 0), {}, "--processes.coordinator is 'node1', allowed are HOST:PORT"),
        (Processes("node1:x", 2, 0), {}, "--processes.coordinator is 'node1:x'"),
        (Processes("node1:80", 2, 2), {}, "--processes.count is 2 and --processes.index is 2, allowed"),
        (Processes("node1:80"), {}, "for example --processes.count 2 --processes.index 0"),
        (ALONE, {**ENVIRONMENT, "KERNELDISTILL_PROCESS": "-1"}, "KERNELDISTILL_PROCESS is '-1', allowed is a number"),
    ],
)
def test_what_is_incomplete_is_refused(given: Processes, environment: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told.replace("[", r"\[")):
        resolved(given, environment)


def test_a_command_line_says_it_beside_the_settings() -> None:
    words = ["digits", "--processes.coordinator", "node1:80", "--processes.count", "2", "--processes.index", "1"]
    job = parse_job(Call("run", words, "kdistill run", ""), Job)
    assert job.processes == Processes("node1:80", 2, 1)
    assert job.settings == parse_job(Call("run", ["digits"], "kdistill run", ""), Job).settings
