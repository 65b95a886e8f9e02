"""Where process 0 listens: at the address that all were given, and nowhere else if that is one of this machine."""

import errno
import hashlib
import ipaddress
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.lock import held
from kerneldistill.runtime.distributed.options import Processes

# Listen on every network of the machine.
EVERYWHERE = "[::]"


def split(coordinator: str) -> tuple[str, int]:
    """Split HOST:PORT, the host without the brackets of IPv6."""
    host, _, port = coordinator.rpartition(":")
    return host.strip("[]"), int(port)


def listening_host(coordinator: str) -> str:
    """The address of this machine that `coordinator` names; `EVERYWHERE` where it names none, as behind a gateway.

    Raises:
      UserError: something else listens there already.
    """
    host, port = split(coordinator)
    for address in [*_addresses(host), "::"]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UserError(
                    f"--processes.coordinator is {coordinator}, and port {port} is in use there: give another port to "
                    "all processes, or end what listens on it"
                ) from error
            continue
        return EVERYWHERE if address == "::" else f"[{address}]" if ":" in address else address
    return EVERYWHERE


def _addresses(host: str) -> list[str]:
    """The addresses of a host; a name that is not this machine's own may be of it by mistake, as 127.0.1.1 is."""
    try:
        found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, None)))
    except OSError:
        return []
    inside = host == "localhost" or host in found
    return [address for address in found if inside or not ipaddress.ip_address(address).is_loopback]


@contextmanager
def sole(asked: Processes) -> Iterator[None]:
    """Refuse a second process of the same number on this machine: jax would end all of them.

    Raises:
      UserError: there is one.
    """
    if asked.coordinator in (None, "auto"):
        yield
        return
    name = hashlib.sha256(f"{os.getuid()} {asked.coordinator} {asked.index}".encode()).hexdigest()[:16]
    refusal = (
        f"--processes.index is {asked.index}, and {{holder}} is that process of {asked.coordinator} already: give "
        "another number, or end it"
    )
    with held(Path(tempfile.gettempdir(), f"kerneldistill-{name}.lock"), refusal):
        yield
