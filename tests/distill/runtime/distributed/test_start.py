"""Processes that do not come together end in words, none by an abort of jax."""

import socket
import subprocess
import sys

import pytest

from kerneldistill.errors import UserError
from kerneldistill.runtime import signals
from kerneldistill.runtime.distributed import start
from kerneldistill.runtime.distributed.options import Processes


@pytest.mark.parametrize("index", [0, pytest.param(1, marks=pytest.mark.slow)])
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


@pytest.mark.parametrize(("index", "patient"), [(0, True), (1, False)])
def test_a_signal_is_patient_with_process_0_while_the_others_come(
    index: int, patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it goes, jax aborts those who are on the way."""
    rescues: list[int] = []

    def met(*given: object) -> None:
        rescues.append(len(signals._rescues))
        raise UserError("nobody came")

    monkeypatch.setattr(start, "_met", met)
    with pytest.raises(UserError, match="nobody came"), start.joined(Processes("127.0.0.1:1", 2, index), "run"):
        pass
    assert rescues == [int(patient)]
    assert not signals._rescues
