"""How processes come together: through jax's coordination service, at the address of process 0."""

import ctypes
import logging
import os
import signal
import socket
import time

from kerneldistill.errors import UserError
from kerneldistill.runtime.distributed.group import Group
from kerneldistill.runtime.distributed.key_value_store import KeyValueBoard
from kerneldistill.runtime.distributed.options import Processes
from kerneldistill.runtime.distributed.watchdog import PERIOD_SECONDS, SILENCE_SECONDS, Board, Watchdog
from kerneldistill.runtime.signals import HANDED_ON, INTERRUPTED

# How long the first process to come waits for the last, in seconds.
GATHERING_SECONDS = 300


def connect(asked: Processes) -> Group:
    """Waits for the other processes, and starts jax's backend and the watch.

    `asked` is whole (see `runtime.distributed.options.resolved`), and `kerneldistill.runtime.devices.setup` was called.

    Raises:
      UserError: they do not come together, or `auto` finds no scheduler.
    """
    import jax
    from jax._src import distributed  # neither the numbers that were found nor the store have public names

    from kerneldistill.runtime.distributed.allreduce import Exchange

    # It would answer SIGTERM in place of `kerneldistill.runtime.signals`.
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
    first = {device.process_index: device for device in reversed(jax.devices())}
    exchange = Exchange([first[index] for index in sorted(first)])
    board = KeyValueBoard()
    board.put(f"name/{state.process_id}", f"process {state.process_id} ({socket.gethostname()}, pid {os.getpid()})")
    names = _names(board, state.num_processes)
    if state.process_id:
        logging.getLogger().setLevel(logging.ERROR)  # process 0 warns for all
        _name_the_lost_coordinator(state.coordinator_address, names[state.process_id], names[0])
    watchdog = Watchdog(board, state.process_id, names, lambda: os.kill(os.getpid(), HANDED_ON))
    watchdog.start()
    return Group(state.process_id, state.num_processes, exchange, board, watchdog)


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


def join(asked: Processes) -> bool:
    """Makes this process one of those that `asked` says, when all are there; whether it is process 0.

    Raises:
      UserError: they do not come together.
    """
    from kerneldistill.runtime import devices
    from kerneldistill.runtime.distributed import collectives

    devices.setup()
    collectives.join(connect(asked))
    return collectives.is_writer()
