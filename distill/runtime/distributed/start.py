"""How processes come together and part: each enters `joined`, and in it runs the same program."""

import hashlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np

from kerneldistill.errors import UserError
from kerneldistill.pipeline.chatter import muffled
from kerneldistill.runtime import console, signals
from kerneldistill.runtime.distributed import collectives, watchdog
from kerneldistill.runtime.distributed.options import Processes
from kerneldistill.runtime.distributed.place import EVERYWHERE, listening_host, sole, split
from kerneldistill.runtime.distributed.roll_call import RollCall

# jax's own limits, in seconds: longer than those of the roll call, which names who is gone.
_HEARTBEAT_SECONDS, _SHUTDOWN_SECONDS = 50, 30
# jax aborts a process that has waited for as long as it was told to: it is told so many seconds more than are waited.
_LATE_SECONDS = 60
# How long process 0 outlives its own failure, so that the others can end by theirs.
_LINGER_SECONDS = 3.0
_NAME_BYTES = 64

_roll_call: RollCall | None = None


@contextmanager
def joined(asked: Processes, command: str) -> Iterator[None]:
    """Wait for the other processes, start jax's backend, and watch until the block ends.

    Args:
      asked: complete (see `options.resolved`)
      command: what all processes must have been given alike; its digest is compared

    Raises:
      UserError: `auto` finds no scheduler, or a process was given something else than process 0.
    """
    with sole(asked):
        yield from _joined(asked, command)


def _joined(asked: Processes, command: str) -> Iterator[None]:
    signals.poll()  # rather than begin to meet
    # The others meet by process 0, and jax aborts those who are on the way when it goes: a signal finds patience there.
    with nullcontext() if asked.index else signals.rescue(_linger):
        roll_call = _met(asked, command)
    if collectives.index():  # process 0 tells and warns for all
        console.quiet = True
        logging.getLogger().setLevel(logging.ERROR)
    try:
        with signals.rescue(_outlive_others):
            yield
        roll_call.leave()
    except KeyboardInterrupt:
        roll_call.leave()
        raise
    finally:
        watchdog.stop()


def _met(asked: Processes, command: str) -> RollCall:
    """Meet the others, and call the roll."""
    global _roll_call
    host = _initialise(asked)
    with muffled():  # gloo tells of every peer when it first meets them
        names = _names()
    _check_alike(names, asked.count, command)
    _roll_call = roll_call = RollCall(names, collectives.index())
    where = collectives.from_first(lambda: [*roll_call.open(host), socket.gethostname()])
    if collectives.index() == 0:
        ports = f"{asked.coordinator} and at port {where[0]}"
        who = "whoever reaches this machine" if host == EVERYWHERE else f"whoever reaches {host}"
        print(f"kdistill: {len(names)} processes: {'; '.join(names)}", file=sys.stderr)
        print(f"kdistill: they meet at {ports}, where {who} can knock: keep others off that network", file=sys.stderr)
    else:
        given = [] if asked.coordinator in (None, "auto") else [split(asked.coordinator)[0]]
        roll_call.join([*given, where[2]], where[0], where[1])
    return roll_call


def _initialise(asked: Processes) -> str:
    """Meet the others; return where this process would listen."""
    from kerneldistill.runtime import devices

    devices.setup()
    import jax

    # It would answer SIGTERM in place of `runtime.signals`.
    jax.config.update("jax_enable_preemption_service", False)
    address = None if asked.coordinator == "auto" else asked.coordinator
    host = listening_host(address) if address is not None and asked.index == 0 else EVERYWHERE
    bind = None if address is None else f"{host}:{split(address)[1]}"
    try:
        with _in_time(asked):
            jax.distributed.initialize(
                address,
                asked.count,
                asked.index,
                cluster_detection_method=None if address is None else "deactivate",
                initialization_timeout=asked.wait + _LATE_SECONDS,
                coordinator_bind_address=bind,
                heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        raise UserError(_not_together(asked, " ".join(str(error).split())[:300])) from error
    return host


@contextmanager
def _in_time(asked: Processes) -> Iterator[None]:
    """End this process, in words, if the others are not there when the block should be done: jax would abort it."""
    timer = threading.Timer(asked.wait, _end, (asked,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(asked: Processes) -> None:
    print(f"kdistill: error: {_not_together(asked, 'not all have come')}", file=sys.stderr, flush=True)
    os._exit(signals.MISTAKE)


def _not_together(asked: Processes, why: str) -> str:
    return (
        f"--processes.coordinator is {asked.coordinator}, and the processes did not come together in "
        f"--processes.wait {asked.wait} s: {why}. Start all, with the same address of process 0 and the same count"
    )


def leave(status: int) -> int:
    """The exit status, when this process's part is over; one that failed does not wait for the others."""
    if collectives.count() > 1 and status not in (0, signals.INTERRUPTED):
        sys.stdout.flush()
        sys.stderr.flush()
        if _roll_call is not None:
            _roll_call.leave(status)
        _outlive_others()
        # The interpreter would wait for the others, whose collectives wait for this process.
        os._exit(status)
    return status


def _outlive_others() -> None:
    """The others meet by process 0, and jax aborts them when it goes: those that end by themselves go first."""
    if collectives.index() == 0:
        _linger()


def _linger() -> None:
    time.sleep(_LINGER_SECONDS)


def _names() -> list[str]:
    """What the processes are called."""
    text = f"{socket.gethostname()}, pid {os.getpid()}".encode()[-_NAME_BYTES:].rjust(_NAME_BYTES, b"\0")
    found = collectives.all_gather(np.frombuffer(text, np.uint32))
    told = [row.tobytes().strip(b"\0").decode(errors="replace") for row in found]
    return [f"process {index} ({text})" for index, text in enumerate(told)]


def _check_alike(names: list[str], count: int | None, command: str) -> None:
    digests = collectives.all_gather(np.frombuffer(hashlib.sha256(command.encode()).digest(), np.uint32))
    counts = collectives.all_gather(np.array(len(names) if count is None else count))
    for name, theirs, digest in zip(names, counts, digests, strict=True):
        if theirs != len(names):
            raise UserError(f"{name} has --processes.count {theirs}, but {len(names)} came: give all the same count")
        if not np.array_equal(digest, digests[0]):
            raise UserError(f"{name} has another command or configuration than {names[0]}: give all the same")
