"""Where work may stop: between chunks, at the same one in all processes."""

from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from kerneldistill.runtime import signals
from kerneldistill.runtime.distributed import collectives, watchdog
from kerneldistill.runtime.progress import parts

Item = TypeVar("Item")


def poll(*work: Hashable) -> None:
    """End the work if any process was asked to; else work of a kind begins, which the watchdog watches.

    Raises:
      KeyboardInterrupt: in all processes.
    """
    if collectives.count() == 1:
        signals.poll()
        return
    stop = collectives.any_of(signals.asked())
    watchdog.begin(work or None)
    if stop:
        signals.interrupt()


def polled(items: Iterable[Item], *work: Hashable) -> Iterator[Item]:
    """The same items, as many in each process, with a poll before each and one after the last; progress tells of each.

    Raises:
      KeyboardInterrupt: in all processes, when any was asked to stop.
    """
    for item in parts(items):
        poll(*work)
        yield item
    poll("after", *work)
