"""Processes that do not come together end in words, none by an abort of jax."""

import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_waits_in_vain_says_so(index: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["run", "digits", "--processes.coordinator", coordinator, "--processes.count", "2"]
    words += ["--processes.index", str(index), "--processes.wait", "4"]
    ended = subprocess.run([sys.executable, "-m", "kerneldistill", *words], capture_output=True, text=True, timeout=120)
    (told,) = [line for line in ended.stderr.splitlines() if "error" in line]
    assert told.startswith(
        f"kdistill: error: --processes.coordinator is {coordinator}, and the processes did not come "
    )
    assert "--processes.wait 4 s" in told
    assert ended.returncode == 2
