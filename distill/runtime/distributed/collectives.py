"""Several processes as one: process 0 runs the program, and the others compute their share of each pass with it.

All processes run the same command. Process 0, the writer, goes through it alone: it holds the run directory, decides,
saves and tells. Where a pass over targets begins (a gradient, an evaluation, labels) it calls a function `together`:
the others receive the function and its arguments, and all run it, each with its own devices on its own `share` of the
targets and of k_ss. What they sum up has equal bits in each (`kerneldistill.runtime.distributed.allreduce`).

Between processes move, in bytes, in each step of t targets, s images [h, w, c] and k classes:
    to all        the support, the targets' numbers, alpha, dL/dk_ss      s h w c itemsize + 8 (t + 2 s k + s s)
    from all      every entry of k_ss once                                s (s / 2 + 1) itemsize
    summed        the gradient by the pixels, and that by alpha with
                  the loss and two more sums                              s h w c itemsize + 8 (s k + 3)
A sum of n bytes over p processes sends 2 (p - 1) / p n out of each; so does a copy to all, rounded up to a power of 2.
Arrays of a megabyte or more that last, such as the data set's, are copied to all once.

A process alone, which is the rule, passes through all of this without loading jax.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

import numpy as np

from kerneldistill.runtime.distributed.watchdog import End

if TYPE_CHECKING:
    from kerneldistill.runtime.distributed.group import Group

Tree = TypeVar("Tree")
Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

_group: "Group | None" = None


class Share(NamedTuple):
    """A process's part of a number of items, in order.

    start: its first
    stop: after its last
    each: the size of the largest share: what every process makes room for, so that all go through as many chunks
    """

    start: int
    stop: int
    each: int


def join(group: "Group | None") -> None:
    """Makes this process one of a group; None: alone again."""
    global _group
    _group = group


def count() -> int:
    """How many processes there are."""
    return 1 if _group is None else _group.count


def is_writer() -> bool:
    """Whether this is process 0."""
    return _group is None or _group.index == 0


def together(
    function: Callable[Arguments, Result], *args: Arguments.args, watch: Callable[[Iterable], Iterable] = iter
) -> Result:
    """Calls `function(*args, watch)` in all processes; process 0 calls this, and gets its own result.

    function: of a module; inside it the functions below speak to the other processes. It does not change its arguments.
    watch: sees the items of `in_step` in process 0; the others have `iter`
    """
    if _group is None or _group.inside:
        return function(*args, watch)
    return _group.run(function, args, watch)


def share(size: int) -> Share:
    """This process's part of `size` items; empty in the last processes where there are too few."""
    index, processes = (0, 1) if _group is None or not _group.inside else (_group.index, _group.count)
    each = -(-size // processes)
    start = min(index * each, size)
    return Share(start, min(start + each, size), each)


def total(tree: Tree) -> Tree:
    """The sum over processes of every leaf: numpy arrays and Python's numbers, which keep their types."""
    if _group is None or not _group.inside:
        return tree
    import jax

    leaves, structure = jax.tree.flatten(tree)
    arrays = [np.asarray(leaf) for leaf in leaves]
    dtype = np.result_type(*arrays)
    summed = _group.total(np.concatenate([array.ravel().astype(dtype) for array in arrays]))
    ends = np.cumsum([array.size for array in arrays])
    parts = np.split(summed, ends[:-1])
    return jax.tree.unflatten(structure, [_like(leaf, part) for leaf, part in zip(leaves, parts, strict=True)])


def gather(array: np.ndarray) -> np.ndarray:
    """The arrays [...] of all processes, of one shape, as [processes, ...]."""
    return array[None] if _group is None or not _group.inside else _group.gather(array)


def from_writer(make: Callable[[], Result]) -> Result:
    """What `make` gives in process 0; the others receive a copy, or, where it raises, leave what they do together."""
    return make() if _group is None or not _group.inside else _group.from_writer(make)


def in_step(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, as many in each process; where process 0's raise, the others leave what they do together."""
    return iter(items) if _group is None or not _group.inside else _group.in_step(items)


def piece(*kind: Hashable) -> None:
    """A piece of work begins here, and the one before ends; the watchdog learns how long each kind takes."""
    if _group is not None and _group.inside:
        _group.piece(kind)


@contextmanager
def alone() -> Iterator[None]:
    """Within it, libraries that would wait for the other processes take this one for the only one."""
    if _group is None:
        yield
        return
    import jax

    counted = jax.process_count
    jax.process_count = lambda backend=None: 1
    try:
        yield
    finally:
        jax.process_count = counted


def follow() -> int:
    """What all processes but 0 do: their share of what it calls, until it ends. Returns its exit status."""
    if _group is None:
        raise RuntimeError("a process that is alone has nobody to follow")
    status = _group.follow()
    join(None)
    return status


def end(status: int, reason: str = "") -> int:
    """The end of this process's part. All part in peace when process 0 ends by itself, whatever its status.

    Args:
      status: to exit with
      reason: what went wrong, where something did

    Returns:
      `status`; if something went wrong in the midst of common work, the others are told, and this process ends here.
    """
    if _group is not None:
        _group.end(End(status, reason))
        join(None)
    return status


def _like(leaf: object, part: np.ndarray) -> object:
    if isinstance(leaf, np.ndarray):
        return part.reshape(leaf.shape).astype(leaf.dtype)
    return type(leaf)(part[0])
