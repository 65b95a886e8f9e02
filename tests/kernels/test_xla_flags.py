"""What XLA's environment variable says after `leave_loops_whole`."""

import pytest

from kerneldistill.kernels.xla_flags import leave_loops_whole

OPTION = "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, OPTION),
        ("", OPTION),
        ("--xla_backend_optimization_level=0", f"--xla_backend_optimization_level=0 {OPTION}"),
        (
            "--xla_backend_extra_options=xla_cpu_optimize_for_size",
            "--xla_backend_extra_options=xla_cpu_optimize_for_size",
        ),
        (OPTION, OPTION),
    ],
)
def test_loops_are_left_whole_and_the_rest_is_kept(before: str | None, after: str) -> None:
    environment = {} if before is None else {"XLA_FLAGS": before}
    leave_loops_whole(environment)
    assert environment == {"XLA_FLAGS": after}
