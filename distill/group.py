"""The processes that work as one, seen from one of them."""

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from distill.errors import UserError
from distill.membership import Processes
from distill.preemption import INTERRUPTED
from distill.watchdog import PERIOD_SECONDS, SILENCE_SECONDS, Board, End, LostBoardError, Watchdog

if TYPE_CHECKING:  # it loads jax
    from distill.exchange import Exchange

# How long the first process to come waits for the last, in seconds.
GATHERING_SECONDS = 300


class Group:
    """The processes of a run.

    Args:
      index: of this process
      count: of all
      exchange: through which they exchange arrays
      board: which all see
      watchdog: of this process, started
    """

    def __init__(self, index: int, count: int, exchange: "Exchange", board: Board, watchdog: Watchdog) -> None:
        self.index = index
        self.count = count
        self._exchange, self._board, self._watchdog = exchange, board, watchdog
        self._meetings = 0
        self._agreed = False

    def total(self, vector: np.ndarray) -> np.ndarray:
        """The sum over processes of a vector [n]."""
        with self._waiting():
            return self._exchange.total(vector)

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The arrays [...] of all processes, of one shape, as [processes, ...]."""
        with self._waiting():
            return self._exchange.gather(array)

    def agree(self, flag: bool) -> bool:
        """Whether any process says so. Once they have agreed, they wait for each other at the end."""
        self._agreed |= bool(self.gather(np.array([flag], np.uint32)).any())
        return self._agreed

    def piece(self, kind: Hashable) -> None:
        """A piece of work of a kind begins; None: one that may take as long as it likes."""
        self._watchdog.piece(kind)

    def meet(self) -> None:
        """Waits until all processes are here, however long that takes. Signals are answered meanwhile."""
        self.piece(None)
        self._meetings += 1
        folder = f"meeting-{self._meetings}"
        try:
            self._board.put(f"{folder}/{self.index}", "here")
            while len(self._board.read(folder)) < self.count:
                time.sleep(PERIOD_SECONDS / 5)
        except LostBoardError:
            self._watchdog.failing()
            raise

    def end(self, end: End) -> None:
        """Parts in peace, or, if something went wrong here alone, tells the others and ends the process."""
        import jax

        if end.status == 0 or self._agreed:
            self.meet()
            self._watchdog.stop()
            jax.distributed.shutdown()
            return
        self._watchdog.tell(end)
        sys.stdout.flush()
        sys.stderr.flush()
        # The interpreter would wait for the others, whose collectives wait for this process.
        os._exit(end.status)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self._watchdog.wait()
        try:
            yield
        except Exception:
            self._watchdog.failing()
            raise
        self._watchdog.go_on()


def connect(asked: Processes) -> Group:
    """Waits for the other processes, and starts jax's backend and the watch.

    `asked` is whole (see `distill.membership.resolved`), and `distill.devices.setup` was called.

    Raises:
      UserError: they do not come together, or `auto` finds no scheduler.
    """
    import jax
    from jax._src import distributed  # neither the numbers that were found nor the store have public names

    from distill.exchange import Exchange

    # It would answer SIGTERM in place of `distill.preemption`.
    jax.config.update("jax_enable_preemption_service", False)
    address = None if asked.coordinator == "auto" else asked.coordinator
    try:
        jax.distributed.initialize(
            address,
            asked.count,
            asked.index,
            cluster_detection_method=None if address is None else "deactivate",
            initialization_timeout=GATHERING_SECONDS,
            # Should the watch itself hang: jax then ends the process, without a name.
            heartbeat_timeout_seconds=int(SILENCE_SECONDS) + 10,
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise UserError(
            f"--processes.coordinator is {asked.coordinator}, and the processes did not come together in "
            f"{GATHERING_SECONDS} s: {' '.join(str(error).split())[:300]}. Start all of them, with the same address of "
            "process 0 and the same count"
        ) from error
    state = distributed.global_state
    exchange = Exchange()
    board = KeyValueBoard()
    board.put(f"name/{state.process_id}", f"process {state.process_id} ({socket.gethostname()}, pid {os.getpid()})")
    names = _names(board, state.num_processes)
    if state.process_id:
        logging.getLogger().setLevel(logging.ERROR)  # process 0 warns for all
        _name_the_lost_coordinator(state.coordinator_address, names[state.process_id], names[0])
    watchdog = Watchdog(board, state.process_id, names)
    watchdog.start()
    return Group(state.process_id, state.num_processes, exchange, board, watchdog)


class KeyValueBoard:
    """A board in the store of jax's coordination service, which process 0 keeps."""

    def __init__(self) -> None:
        from jax._src import distributed

        self._client = distributed.global_state.client

    def put(self, name: str, text: str) -> None:
        """Writes a text, over an earlier one."""
        with _as_lost():
            self._client.key_value_set(f"kerneldistill/{name}", text, allow_overwrite=True)

    def read(self, folder: str) -> dict[int, str]:
        """The texts FOLDER/0, FOLDER/1, ... that there are."""
        with _as_lost():
            found = self._client.key_value_dir_get(f"kerneldistill/{folder}/")
        return {int(name.rpartition("/")[2]): text for name, text in found}


@contextmanager
def _as_lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostBoardError(str(error)) from error


def _names(board: Board, count: int) -> list[str]:
    """What the processes are called, when all have told it."""
    while len(found := board.read("name")) < count:
        time.sleep(PERIOD_SECONDS / 5)
    return [found[index] for index in range(count)]


_abort_handlers: list[object] = []  # C calls them: they must not be collected


def _name_the_lost_coordinator(address: str, own: str, coordinator: str) -> None:
    """Has this process say who is gone when jax aborts it, as it does at once when process 0 is killed.

    jax offers no other place: its callback for this case takes a type that Python cannot be given. The abort comes from
    a thread of jax's own, in which C may call Python.
    """
    host, _, port = address.rpartition(":")
    libc = ctypes.CDLL(None)

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def answer(number: int) -> None:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2.0).close()
        except OSError:
            text = f"{coordinator}, which the others meet at, is gone; run the same command again to resume"
            os.write(2, f"kdistill: {own}: {text}\n".encode())
            os._exit(INTERRUPTED)
        libc.signal(signal.SIGABRT, None)  # something else: let it abort

    _abort_handlers.append(answer)
    libc.signal(signal.SIGABRT, answer)
