"""Host values over processes, with the same bits in each. A process alone passes through without loading jax.

Bytes move between the first devices of the processes, by whatever joins them: ICI, NCCL, gloo. Sums are taken on the
host, so that float64 stays float64 on every backend. A sum of n bytes over p processes:

    each process cuts its n bytes into p pieces and sends piece j to process j      (p - 1) / p n out of each
    process j adds its p pieces, in the order of the processes
    each process sends its sum to all                                               (p - 1) / p n out of each

Each element is summed at one place in one order and then copied, so the processes hold equal bits. A copy of n bytes of
process 0 is a sum in which the others give zeros. In a step of t targets, s images [h, w, c] and k classes move:

    copied      alpha, dL/dk_ss, dL/dy_s, the new images and labels      s h w c itemsize + 8 (3 s k + s s)
    gathered    every entry of k_ss once                                 s (s / 2 + 1) itemsize
    summed      the gradient by the pixels, and that by alpha with
                the loss, its terms, and that by its l parameters        s h w c itemsize + 8 (s k + 2 + l)
"""

import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np

from kerneldistill.errors import UserError
from kerneldistill.runtime import signals
from kerneldistill.runtime.distributed import watchdog
from kerneldistill.runtime.distributed.roll_call import SILENT_SECONDS

Tree = TypeVar("Tree")

# On every backend bytes move as these.
_WORD = np.uint32

_alone = False


class Shard(NamedTuple):
    """A process's part of a number of items, in order.

    start: its first
    stop: after its last
    each: the size of the largest part: what every process makes room for, so that all go through as many chunks
    """

    start: int
    stop: int
    each: int


def count() -> int:
    """How many processes there are."""
    jax = sys.modules.get("jax")
    return 1 if _alone or jax is None or not jax.distributed.is_initialized() else jax.process_count()


def index() -> int:
    """Which of them this is; process 0 writes the files."""
    return 0 if count() == 1 else sys.modules["jax"].process_index()


def shard(size: int) -> Shard:
    """This process's part of `size` items; empty in the last processes where there are too few."""
    each = -(-size // count())
    start = min(index() * each, size)
    return Shard(start, min(start + each, size), each)


def all_gather(array: np.ndarray) -> np.ndarray:
    """The arrays [...] of all processes, of one shape and of 4- or 8-byte numbers, as [processes, ...]."""
    if count() == 1:
        return array[None]
    words = np.ascontiguousarray(array).reshape(-1).view(_WORD)[None]
    return _exchanged("gather", words).view(array.dtype).reshape(-1, *array.shape)


def all_reduce_sum(tree: Tree) -> Tree:
    """The sum over processes of every leaf: numpy arrays and Python's numbers, which keep their types."""
    if count() == 1:
        return tree
    import jax

    leaves, structure = jax.tree.flatten(tree)
    arrays = [np.asarray(leaf) for leaf in leaves]
    dtype = np.result_type(*arrays)
    summed = _sum(np.concatenate([array.ravel().astype(dtype) for array in arrays]))
    parts = np.split(summed, np.cumsum([array.size for array in arrays])[:-1])
    return jax.tree.unflatten(structure, [_as(leaf, part) for leaf, part in zip(leaves, parts, strict=True)])


def broadcast(tree: Tree) -> Tree:
    """The arrays of process 0, in place of these, which have the same shapes and types."""
    if count() == 1:
        return tree
    import jax

    def copied(leaf: np.ndarray) -> np.ndarray:
        words = np.zeros(-(-leaf.nbytes // _WORD().itemsize), _WORD)
        if index() == 0:
            words.view(np.uint8)[: leaf.nbytes] = np.frombuffer(leaf.tobytes(), np.uint8)
        return np.frombuffer(_sum(words).tobytes()[: leaf.nbytes], leaf.dtype).reshape(leaf.shape)

    return jax.tree.map(copied, tree)


def any_of(flag: bool) -> bool:
    """Whether the flag of any process is set."""
    return bool(all_gather(np.array(flag, _WORD)).any())


def from_first(make: Callable[[], Any]) -> Any:
    """What `make`, called in process 0 alone, returns: a value of JSON. The others wait for it, however long.

    Raises:
      UserError: in the others, when `make` raises. In process 0 it is what was raised.
      KeyboardInterrupt: in all, when `make` is interrupted.
    """
    if count() == 1:
        return make()
    said, error = {}, None
    with watchdog.unlimited():
        if index() == 0:
            said, error = _attempted(make)
        text = np.frombuffer(json.dumps(said).encode(), np.uint8)
        size = int(all_gather(np.array(len(text)))[0])
        said = json.loads(broadcast(text if index() == 0 else np.zeros(size, np.uint8)).tobytes())
    if error is not None:
        raise error
    if "interrupted" in said:
        raise KeyboardInterrupt
    if "failed" in said:
        raise UserError(f"process 0 failed: {said['failed']}")
    return said["value"]


def from_each(make: Callable[[], Any]) -> list[Any]:
    """What `make` returns in each process, values of JSON in the order of the processes. All wait for the slowest.

    Raises:
      UserError: in all, when `make` raises in any. In the process where it does it is what was raised.
      KeyboardInterrupt: in all, when one is interrupted.
    """
    if count() == 1:
        return [make()]
    with watchdog.unlimited():
        own, error = _attempted(make)
        text = json.dumps(own).encode()
        size = int(all_gather(np.array(len(text))).max())
        # Of blanks, which JSON ignores, and of whole words.
        padded = text.ljust(-(-size // _WORD().itemsize) * _WORD().itemsize)
        every = [json.loads(each.tobytes()) for each in all_gather(np.frombuffer(padded, _WORD))]
    if error is not None:
        raise error
    for number, said in enumerate(every):
        if "interrupted" in said:
            raise KeyboardInterrupt
        if "failed" in said:
            raise UserError(f"process {number} failed: {said['failed']}")
    return [said["value"] for said in every]


def _attempted(make: Callable[[], Any]) -> tuple[dict[str, Any], BaseException | None]:
    global _alone
    _alone = True
    try:
        return {"value": make()}, None
    except KeyboardInterrupt as error:
        return {"interrupted": True}, error
    except BaseException as error:
        return {"failed": f"{error}" or type(error).__name__}, error
    finally:
        _alone = False


def _sum(vector: np.ndarray) -> np.ndarray:
    """The sum over processes of a vector [n] of 4- or 8-byte numbers."""
    processes = count()
    pieces = np.pad(vector, (0, -len(vector) % processes)).reshape(processes, -1)
    swapped = _exchanged("swap", pieces.view(_WORD)[None]).view(vector.dtype).reshape(processes, -1)
    return all_gather(_in_order(swapped)).ravel()[: len(vector)]


def _in_order(pieces: np.ndarray) -> np.ndarray:
    """The sum over the first axis, from the first to the last; numpy's own order depends on the shape."""
    found = pieces[0].copy()
    for piece in pieces[1:]:
        found += piece
    return found


def _as(leaf: Any, part: np.ndarray) -> Any:
    if isinstance(leaf, np.ndarray):
        return part.reshape(leaf.shape).astype(leaf.dtype)
    return type(leaf)(part[0])


def _exchanged(kind: str, words: np.ndarray) -> np.ndarray:
    """`words` [1, ...] of each process through an exchange."""
    import jax

    sharding, programs = exchanges(jax.process_count())
    with watchdog.waiting():
        try:
            placed = jax.make_array_from_process_local_data(sharding, words)
            return np.asarray(programs[kind](placed).addressable_shards[0].data)
        except (RuntimeError, ValueError) as error:  # as gloo and NCCL differ
            _lost(error)


@cache
def exchanges(processes: int, devices: tuple | None = None):
    """The sharding of what processes give, [process, ...], and two compiled exchanges.

    gather: [process, words] to the same on every process
    swap: [process, to, words] to [from, process, words], sharded by `process`
    devices: one of each process; the first by default
    """
    import jax
    from jax.sharding import Mesh, NamedSharding
    from jax.sharding import PartitionSpec as P

    first = {device.process_index: device for device in reversed(jax.devices())}
    mesh = Mesh(np.array(devices or [first[index] for index in range(processes)]), ("process",))

    def program(function: Callable[[jax.Array], jax.Array], out_specs: P):
        sharded = jax.shard_map(function, mesh=mesh, in_specs=P("process"), out_specs=out_specs, check_vma=False)
        return jax.jit(sharded)

    gather = program(lambda x: jax.lax.all_gather(x, "process", tiled=True), P())
    swap = program(lambda x: jax.lax.all_to_all(x, "process", 1, 0), P(None, "process"))
    return NamedSharding(mesh, P("process")), {"gather": gather, "swap": swap}


def _lost(error: Exception) -> NoReturn:
    """Another process is gone. The roll call finds out which, says so, and ends this one."""
    watchdog.stop()
    time.sleep(2 * SILENT_SECONDS)
    print(
        f"kdistill: process {index()}: another process does not answer, and none is missing; run the same command "
        f"again to resume ({' '.join(str(error).split())[:200]})",
        file=sys.stderr,
        flush=True,
    )
    os._exit(signals.INTERRUPTED)
