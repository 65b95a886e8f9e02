"""Several processes as one: which part of the work is this one's, and what they tell each other.

Every process runs the same program. It holds all data and the whole support, and works with its own devices on its own
part of every pass over the targets. What a pass has summed up is summed over the processes, with equal bits in each
(`distill.exchange`), so they go on with equal numbers and take equal steps. Only process 0 writes.

Between processes move, in each step of s images [h, w, c] and k classes, in bytes:
    the columns of k_ss                                   s s itemsize, gathered
    the gradient by alpha, the loss and two more sums     (s k + 3) 8, summed
    the gradient by the support's pixels                  s h w c itemsize, summed
A gathered byte leaves one process for the p - 1 others; a summed one leaves each process 2 (p - 1) / p times.

A process alone, which is the rule, passes through all of this without loading jax.
"""

import pickle
from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

import numpy as np

from distill.group import Group
from distill.watchdog import End

Tree = TypeVar("Tree")

_group: Group | None = None


class Share(NamedTuple):
    """A process's part of a number of items, in order.

    start: its first
    stop: after its last
    each: the size of the largest share: what every process makes room for, so that all go through as many chunks
    """

    start: int
    stop: int
    each: int


def join(group: Group | None) -> None:
    """Makes this process one of a group; None: alone again."""
    global _group
    _group = group


def count() -> int:
    """How many processes there are."""
    return 1 if _group is None else _group.count


def index() -> int:
    """Which of them this is, from 0."""
    return 0 if _group is None else _group.index


def is_writer() -> bool:
    """Whether this is the process that writes: to disk and to the user."""
    return index() == 0


def share(size: int) -> Share:
    """This process's part of `size` items; empty in the last processes where there are too few."""
    each = -(-size // count())
    start = min(index() * each, size)
    return Share(start, min(start + each, size), each)


def total(tree: Tree) -> Tree:
    """The sum over processes of every leaf: numpy arrays and Python's numbers, which keep their types.

    All processes call it at the same point, and get the same bits.
    """
    if _group is None:
        return tree
    import jax

    leaves, structure = jax.tree.flatten(tree)
    arrays = [np.asarray(leaf) for leaf in leaves]
    dtype = np.result_type(*arrays)
    summed = _group.total(np.concatenate([array.ravel().astype(dtype) for array in arrays]))
    ends = np.cumsum([array.size for array in arrays])
    parts = np.split(summed, ends[:-1])
    filled = [_like(leaf, part) for leaf, part in zip(leaves, parts, strict=True)]
    return jax.tree.unflatten(structure, filled)


def gather(array: np.ndarray) -> np.ndarray:
    """The arrays [...] of all processes, of one shape, as [processes, ...]."""
    return array[None] if _group is None else _group.gather(array)


def agree(flag: bool) -> bool:
    """Whether any process says so; all call it at the same point, and get the same answer."""
    return flag if _group is None else _group.agree(flag)


def from_writer(make: Callable[[], Tree]) -> Tree:
    """What `make` gives in the process that writes; the others receive a copy."""
    if _group is None:
        return make()
    sent = np.frombuffer(pickle.dumps(make()), np.uint8) if is_writer() else np.zeros(0, np.uint8)
    size = int(_group.gather(np.array([sent.size], np.uint32))[0, 0])
    words = np.zeros(-(-size // 4) * 4, np.uint8)
    words[: sent.size] = sent
    # The others add zeros, so the sum is the copy.
    received = _group.total(words.view(np.uint32)).view(np.uint8)[:size]
    return pickle.loads(received.tobytes())


def writer_first(do: Callable[[], None]) -> None:
    """Lets the process that writes do something, however long it takes; the others wait."""
    piece_without_limit()
    if is_writer():
        do()
    if _group is not None:
        _group.meet()


def piece(*kind: Hashable) -> None:
    """A piece of work begins here, and the one before ends; `distill.watchdog` learns how long each kind takes."""
    if _group is not None:
        _group.piece(kind)


def piece_without_limit() -> None:
    """What begins here may take as long as it likes."""
    if _group is not None:
        _group.piece(None)


def end(status: int, reason: str = "") -> int:
    """This process's end: all part when they are done or have agreed to stop, else the others are told why.

    Args:
      status: to exit with
      reason: what went wrong, where something did

    Returns:
      `status`; in a group in which something went wrong it does not return, and the process has ended.
    """
    global _group
    if _group is not None:
        _group.end(End(status, reason))
        _group = None
    return status


def _like(leaf: object, part: np.ndarray) -> object:
    if isinstance(leaf, np.ndarray):
        return part.reshape(leaf.shape).astype(leaf.dtype)
    return type(leaf)(part[0])
