"""The processes that work as one, seen from one of them."""

import json
import os
import pickle
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kerneldistill.runtime.distributed.key_value_store import KeyValueBoard
from kerneldistill.runtime.distributed.serialization import Receiver, Sender
from kerneldistill.runtime.distributed.timeouts import ANYTHING
from kerneldistill.runtime.distributed.watchdog import PERIOD_SECONDS, End, LostBoardError, Watchdog
from kerneldistill.runtime.signals import Deferred

if TYPE_CHECKING:  # it loads jax
    from kerneldistill.runtime.distributed.allreduce import Exchange

Item = TypeVar("Item")
Result = TypeVar("Result")
Buffer = bytes | memoryview
Order = dict[str, int]

# Bytes that are copied to all processes at a time.
BLOCK = 1 << 26


class AbandonedError(Exception):
    """What the processes did together was left in process 0, by an exception."""


class Group:
    """The processes of a run.

    Args:
      index: of this process
      count: of all
      exchange: through which they exchange arrays
      board: which all see
      watchdog: of this process, started

    Attributes:
      inside: whether this process is in what they do together
    """

    def __init__(self, index: int, count: int, exchange: "Exchange", board: KeyValueBoard, watchdog: Watchdog) -> None:
        self.index = index
        self.count = count
        self.inside = False
        self._exchange, self._board, self._watchdog = exchange, board, watchdog
        self._calls = 0
        self._sender, self._receiver = Sender(), Receiver()
        self._conveyed: BaseException | None = None
        self._out_of_step = False

    def run(self, function: Callable[..., Result], args: tuple, watch: Callable[[Iterable], Iterable]) -> Result:
        """Has all processes call `function(*args, ...)`, and calls it with `watch`."""
        if self._out_of_step:
            raise RuntimeError("the processes are out of step: what they did together was left by an exception")
        parcel, arrays = self._sender.pack((function, args))
        self._out_of_step = True
        self._announce({"bytes": len(parcel)})
        self._copied(parcel, len(parcel))
        for array in arrays:
            self._copied(np.ascontiguousarray(array).data.cast("B"), array.nbytes)
        try:
            with self._together():
                result = function(*args, watch)
        except BaseException as error:
            self._out_of_step = error is not self._conveyed
            raise
        self._out_of_step = False
        return result

    def follow(self) -> int:
        """Runs what process 0 calls, until it ends; its exit status. Signals are handed on to it."""
        with _HandingOn(self._board, self.index):
            while True:
                self.piece(None)
                order = self._next_order()
                if "status" in order:
                    self._part()
                    return order["status"]
                parcel = self._copied(None, order["bytes"])
                for array in self._receiver.expected(parcel):
                    array.ravel()[:] = np.frombuffer(self._copied(None, array.nbytes), array.dtype)
                function, args = self._receiver.unpack(parcel)
                try:
                    with self._together():
                        function(*args, iter)
                except AbandonedError:
                    continue

    def total(self, vector: np.ndarray) -> np.ndarray:
        """The sum over processes of a vector [n]."""
        with self._waiting():
            return self._exchange.total(vector)

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The arrays [...] of all processes, of one shape, as [processes, ...]."""
        with self._waiting():
            return self._exchange.gather(array)

    def from_writer(self, make: Callable[[], Result]) -> Result:
        """What `make` gives in process 0."""
        if self.index:
            size = int(self._first_of(0))
            if size == 0:
                raise AbandonedError
            return pickle.loads(self._copied(None, size))
        with self._conveying():
            result = make()
            sent = pickle.dumps(result)
        self._first_of(len(sent))
        self._copied(sent, len(sent))
        return result

    def in_step(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, as many in each process."""
        iterator, over = iter(items), object()
        while True:
            if self.index:
                item = next(iterator, over)
                if not self._first_of(0):
                    raise AbandonedError
            else:
                with self._conveying():
                    item = next(iterator, over)
                self._first_of(1)
            if item is over:
                return
            yield item

    def piece(self, kind: Hashable) -> None:
        """A piece of work of a kind begins; None: one that may take as long as it likes."""
        self._watchdog.piece(kind)

    def end(self, end: End) -> None:
        """Parts in peace, or, if this process leaves the others in the midst, tells them and ends it."""
        if self.index == 0 and not self._out_of_step:
            self._announce({"status": end.status})
            self._part()
            return
        self._watchdog.tell(end)
        sys.stdout.flush()
        sys.stderr.flush()
        # The interpreter would wait for the others, whose collectives wait for this process.
        os._exit(end.status)

    def _part(self) -> None:
        import jax

        self._watchdog.stop()
        jax.distributed.shutdown()  # waits until all are here

    def _announce(self, order: Order) -> None:
        self._board.put(f"order/{self._calls}", json.dumps(order))
        self._calls += 1
        self._board.remove(f"order/{self._calls - 3}")  # all have read it: they took part in the one after it

    def _next_order(self) -> Order:
        try:
            while (text := self._board.take(f"order/{self._calls}", PERIOD_SECONDS)) is None:
                pass  # Python answers signals here
        except LostBoardError:
            self._watchdog.failing()
            raise
        self._calls += 1
        return json.loads(text)

    def _first_of(self, number: int) -> int:
        """The number of process 0."""
        return int(self.gather(np.array([number], np.uint32))[0, 0])

    def _copied(self, given: Buffer | None, size: int) -> bytes:
        """The `size` bytes of process 0, which gives them."""
        source = memoryview(given or b"")
        found = bytearray(size) if self.index else bytearray()
        for start in range(0, size, BLOCK):
            length = min(BLOCK, size - start)
            # Few sizes: each is a program to compile.
            block = np.zeros(max(1 << (length - 1).bit_length(), 1 << 10), np.uint8)
            if self.index == 0:
                block[:length] = np.frombuffer(source[start : start + length], np.uint8)
            received = self.total(block.view(np.uint32))  # the others give zeros: the sum is the copy
            if self.index:
                found[start : start + length] = received.view(np.uint8)[:length].data
        return bytes(found)

    @contextmanager
    def _together(self) -> Iterator[None]:
        self.inside = True
        try:
            yield
        finally:
            self.inside = False
            self.piece(ANYTHING)

    @contextmanager
    def _conveying(self) -> Iterator[None]:
        """In process 0: an exception is told to the others before it is raised."""
        try:
            yield
        except BaseException as error:
            self._first_of(0)
            self._conveyed = error
            raise

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self._watchdog.wait()
        try:
            yield
        except Exception:
            self._watchdog.failing()
            raise
        self._watchdog.go_on()


class _HandingOn(Deferred):
    """Tells process 0 of a signal, and leaves the answer to it: this process ends with it, or at a second signal."""

    def __init__(self, board: KeyValueBoard, index: int) -> None:
        super().__init__(rescue=lambda: None)
        self._board, self._index = board, index

    def record(self) -> None:
        """A signal has arrived."""
        self._board.put(f"stop/{self._index}", "asked to stop")

    def give_up_waiting(self) -> None:
        """Process 0 is patient enough for all."""
