"""Who is still there: every process tells process 0 once a second, which tells all when one is gone, silent or failed.

jax does the same on heartbeats of its own, but ends with an abort that names nobody where process 0 is gone. So its
limit is longer than the one here, and these connections decide first: each process names the other and exits with 75,
or with the status of one that failed. Nobody takes part who does not know the secret of this start. Bytes are compared
and counted, never interpreted.
"""

import contextlib
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Sequence

from kerneldistill.runtime import signals

# A process that says nothing for so long is gone: not the second or two that a busy machine takes.
SILENT_SECONDS = 20.0
_BEAT_SECONDS = 1.0
# Strangers that connect are dropped after so many seconds; so many are listened to at a time.
_STRANGER_SECONDS, _STRANGERS = 5.0, 16
# Process 0 outlives the others, whom jax would abort when it goes.
_LINGER_SECONDS = 2.0
_BEAT, _LEAVES, _FAILED, _GONE, _SILENT = b".", b"L", b"F", b"G", b"S"
_HOW = {
    _FAILED: "has failed: see what it said, and run",
    _GONE: "is gone: run",
    _SILENT: "has been silent for {seconds:.0f} s: run",
}
_NEWS = struct.Struct(">cIB")
_HELLO = struct.Struct(">16sI")


class RollCall:
    """The connections of this process, and the thread that listens to them.

    Args:
      names: of all processes, in order
      index: of this one
    """

    def __init__(self, names: Sequence[str], index: int) -> None:
        self._names, self._index = names, index
        self._leaving = threading.Event()
        self._members: dict[int, socket.socket] = {}
        self._heard: dict[int, float] = {}
        self._looked = time.monotonic()

    def open(self, host: str) -> tuple[int, str]:
        """Listen at `host` (process 0); return the port and the secret, for the others."""
        host = host.strip("[]")
        self._secret = secrets.token_bytes(16)
        self._server = socket.create_server((host, 0), family=_family(host), backlog=len(self._names) + _STRANGERS)
        self._server.setblocking(False)
        self._strangers: dict[socket.socket, float] = {}
        self._heard = dict.fromkeys(range(1, len(self._names)), time.monotonic())
        threading.Thread(target=self._lead, daemon=True, name="roll call").start()
        return self._server.getsockname()[1], self._secret.hex()

    def join(self, hosts: Sequence[str], port: int, secret: str) -> None:
        """Connect to process 0 at the first of `hosts` that answers.

        Raises:
          OSError: none does.
        """
        connection = _connected(hosts, port)
        connection.sendall(_HELLO.pack(bytes.fromhex(secret), self._index))
        self._members, self._heard = {0: connection}, {0: time.monotonic()}
        threading.Thread(target=self._follow, daemon=True, name="roll call").start()

    def leave(self, status: int = 0) -> None:
        """Say that this process ends, well (0) or with another status, and watch no longer."""
        self._leaving.set()
        news = _NEWS.pack(_FAILED if status else _LEAVES, self._index, status)
        for member in list(self._members.values()):
            _send(member, news)

    def _follow(self) -> None:
        connection = self._members[0]
        while not self._leaving.is_set():
            _send(connection, _NEWS.pack(_BEAT, self._index, 0))
            self._notice()
            self._hear(0, connection, _BEAT_SECONDS)

    def _lead(self) -> None:
        while not self._leaving.is_set():
            for member in self._members.values():
                _send(member, _NEWS.pack(_BEAT, 0, 0))
            began = time.monotonic()
            self._admit()
            for index, member in list(self._members.items()):
                self._hear(index, member, 0)
            self._notice()
            time.sleep(max(0.0, _BEAT_SECONDS / 4 - (time.monotonic() - began)))

    def _admit(self) -> None:
        """Take who connects and knows the secret; who does not say it is dropped."""
        while len(self._strangers) < _STRANGERS:
            try:
                connection = self._server.accept()[0]
            except OSError:
                break
            self._strangers[connection] = time.monotonic()
        for stranger, since in list(self._strangers.items()):
            said = _peek(stranger, _HELLO.size)
            if said is not None and len(said) < _HELLO.size and time.monotonic() - since < _STRANGER_SECONDS:
                continue
            del self._strangers[stranger]
            secret, index = _HELLO.unpack(said) if said is not None and len(said) == _HELLO.size else (b"", 0)
            if secrets.compare_digest(secret, self._secret) and index in self._heard and index not in self._members:
                stranger.recv(_HELLO.size)
                self._members[index], self._heard[index] = stranger, time.monotonic()
            else:
                stranger.close()

    def _hear(self, index: int, member: socket.socket, seconds: float) -> None:
        """Take what a process has said, or wait so long for it."""
        member.settimeout(seconds)
        try:
            said = member.recv(64 * _NEWS.size, socket.MSG_PEEK)
            whole = member.recv(len(said) // _NEWS.size * _NEWS.size) if said else b""
        except (TimeoutError, BlockingIOError):
            return
        except OSError:
            said = whole = b""
        if not said:
            self._end(index, _GONE, signals.INTERRUPTED)
        self._heard[index] = time.monotonic()
        for kind, who, status in _NEWS.iter_unpack(whole):
            if kind == _LEAVES:
                self._members.pop(index, None)
                self._heard.pop(index, None)
                if index == 0:
                    self._leaving.set()
            elif kind in _HOW and who < len(self._names):
                self._end(who, kind, status)

    def _notice(self) -> None:
        """End where somebody is silent; not where it was this process that was stopped a while."""
        now = time.monotonic()
        if now - self._looked > SILENT_SECONDS / 2:
            self._heard = dict.fromkeys(self._heard, now)
        self._looked = now
        for index, heard in list(self._heard.items()):
            if now - heard > SILENT_SECONDS:
                self._end(index, _SILENT, signals.INTERRUPTED)

    def _end(self, index: int, kind: bytes, status: int) -> None:
        """Name the process that is gone, tell the others, and end this one, unless its own work is over."""
        if self._leaving.is_set():
            return
        how = _HOW[kind].format(seconds=SILENT_SECONDS)
        os.write(2, f"kdistill: {self._names[index]} {how} the same command again to resume\n".encode())
        if self._index == 0:
            for member in self._members.values():
                _send(member, _NEWS.pack(kind, index, status))
            time.sleep(_LINGER_SECONDS)
        os._exit(status)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _connected(hosts: Sequence[str], port: int) -> socket.socket:
    *others, last = hosts
    for host in others:
        with contextlib.suppress(OSError):
            return socket.create_connection((host, port), timeout=SILENT_SECONDS)
    return socket.create_connection((last, port), timeout=SILENT_SECONDS)


def _send(member: socket.socket, news: bytes) -> None:
    try:
        member.settimeout(_BEAT_SECONDS)
        member.sendall(news)
    except OSError:
        pass  # whoever does not read is noticed by what it does not say


def _peek(stranger: socket.socket, size: int) -> bytes | None:
    """What a stranger has said so far, left where it is; None if it is gone."""
    stranger.setblocking(False)
    try:
        return stranger.recv(size, socket.MSG_PEEK) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None
