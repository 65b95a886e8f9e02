"""Process 0 listens where it was told to, and one process has each number."""

import os
import socket

import pytest

from kerneldistill.errors import UserError
from kerneldistill.runtime.distributed.options import Processes
from kerneldistill.runtime.distributed.place import EVERYWHERE, listening_host, sole, split


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_an_address_of_this_machine_is_the_only_one_listened_at() -> None:
    assert listening_host(f"127.0.0.1:{free_port()}") == "127.0.0.1"
    assert listening_host(f"localhost:{free_port()}") in ("127.0.0.1", "[::1]")
    assert listening_host(f"192.0.2.1:{free_port()}") == EVERYWHERE  # of no machine: RFC 5737
    assert split("[::1]:80") == ("::1", 80)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is in use there: give another port to all processes"):
            listening_host(f"127.0.0.1:{port}")


def test_a_second_process_of_the_same_number_is_refused() -> None:
    asked = Processes("127.0.0.1:29999", 2, 1)
    with sole(asked):
        with pytest.raises(UserError, match=rf"--processes.index is 1, and process {os.getpid()} on"), sole(asked):
            pass
        with sole(Processes("127.0.0.1:29999", 2, 0)):
            pass
    with sole(asked):
        pass
