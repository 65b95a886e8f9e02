"""Checkpoints: orbax writes them whole or not at all and says which stay; digests find what the disk changed.

orbax keeps no digest of the data: it restores a flipped bit in an array without a word. So store every leaf's sha256
beside the state and compare it on loading; set a damaged step aside and use the one before it. Deletions are this
module's, by a rename first: orbax's leave half a step under its number when they are killed.

Of several processes all save and all read, as orbax wants it; the first alone writes and deletes.
"""

import functools
import gc
import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from orbax.checkpoint import v1 as ocp

from kerneldistill.errors import UserError
from kerneldistill.runtime.distributed import collectives

policies = ocp.training.preservation_policies
LOG = logging.getLogger(__name__)

State = TypeVar("State")


class CheckpointError(UserError):
    """Checkpoints that cannot be written or of which none can be used; the message says what is left and what to do."""


class _DamagedError(Exception):
    """A step that cannot be used; the message says why, with the leaf."""


class Checkpoints:
    """The newest states of a run, each in a folder named by its step.

    A state is any pytree of jax and numpy arrays of at least one element, jax keys, numbers of numpy or Python.

    Args:
      folder: where they are kept; made if it is missing. What a killed process left half done there is removed.
      keep: how many of the newest steps are kept, 1 or more.
      for_good: steps that are kept however many newer ones there are.

    Example:
      checkpoints = Checkpoints(rundir.checkpoints, keep=3)
      step, state = checkpoints.restore_latest(first) or (0, first)
      ...
      checkpoints.save(step, state)
    """

    def __init__(self, folder: Path, keep: int, for_good: Collection[int] = ()) -> None:
        self.folder = folder.absolute()
        self._policy = policies.AnyPreservationPolicy([policies.LatestN(keep), policies.CustomSteps(sorted(for_good))])
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_half_done()

    def steps(self) -> list[int]:
        """The saved steps, ascending, damaged or not."""
        return sorted(int(entry.name) for entry in self.folder.iterdir() if entry.name.isdecimal())

    def save(self, step: int, state: object) -> None:
        """Write a state, then delete all but the newest `keep` steps and those that are for good.

        Raises:
          CheckpointError: it could not be written; the steps before are as they were.
        """
        arrays = _host_leaves(state)
        metadata: Any = {"digests": {name: _digest(step, name, array) for name, array in arrays.items()}}
        try:
            with _without_echoes():
                ocp.save(self._path(step), arrays, overwrite=True, custom_metadata=metadata)
        except Exception as error:  # of any class: orbax and tensorstore each have their own for a full disk
            self._remove_half_done()
            raise CheckpointError(
                f"step {step} could not be saved in {self.folder}: {_first_line(error)}. Saved before and whole: "
                f"{self.steps() or 'none'}. Make room there, then run the same command again to resume"
            ) from error
        if collectives.index():
            return
        saved: list[Any] = [
            ocp.training.CheckpointMetadata(step, self._path(step), metadata=None) for step in self.steps()
        ]
        kept = self._policy.should_preserve(saved, context=policies.PreservationContext())
        self._delete(old.step for old, keep in zip(saved, kept, strict=True) if not keep)

    def _path(self, step: int) -> epath.Path:
        return epath.Path(self.folder / str(step))

    def keep_only(self, step: int) -> None:
        """Delete every step but one."""
        self._delete(other for other in self.steps() if other != step)

    def restore_latest(self, like: State) -> tuple[int, State] | None:
        """Restore the newest undamaged step and its state; None if there is no step at all.

        Damaged newer steps are warned of and renamed to `damaged-STEP`, so that their numbers can be saved again.

        Args:
          like: a state whose structure, shapes, types and kinds of leaves the restored one has. jax arrays come back on
            the default device, whatever devices they were on.

        Raises:
          CheckpointError: steps exist but all are damaged, or the newest good one holds another kind of state.
        """
        damaged: dict[int, str] = {}
        for step in reversed(collectives.from_first(self.steps)):
            arrays, fault = None, "another process cannot read it"
            try:
                arrays = _read(self.folder / str(step))
            except _DamagedError as error:
                fault = str(error)
            if collectives.any_of(arrays is None) or arrays is None:
                damaged[step] = fault
                continue
            state = self._fill(step, arrays, like)
            for bad, fault in damaged.items():
                LOG.warning("step %d in %s is damaged: %s; going on from step %d", bad, self.folder, fault, step)
                self._set_aside(bad, "damaged")
            return step, state
        if damaged:
            faults = "; ".join(f"step {step}: {fault}" for step, fault in damaged.items())
            raise CheckpointError(
                f"every checkpoint in {self.folder} is damaged ({faults}). Copy the folder back from a backup, or "
                "remove it and run the same command again to start from step 0"
            )
        return None

    def _fill(self, step: int, arrays: dict[str, np.ndarray], like: State) -> State:
        """The state of the structure of `like` with the values of `arrays`."""
        expected = _host_leaves(like)
        for name in sorted(expected.keys() | arrays.keys()):
            there, here = _describe(arrays.get(name)), _describe(expected.get(name))
            if there != here:
                raise CheckpointError(
                    f"step {step} in {self.folder} holds another kind of state: leaf {name} is {there} there and "
                    f"{here} here. It was saved by another version or another configuration: choose another --dir"
                )
        leaves, structure = jax.tree.flatten(like)
        filled = [_like(leaf, arrays[name]) for leaf, name in zip(leaves, expected, strict=True)]
        return jax.tree.unflatten(structure, filled)

    def _set_aside(self, step: int, prefix: str) -> None:
        if collectives.index():
            return
        target = self.folder / f"{prefix}-{step}"
        if target.exists():
            shutil.rmtree(target)
        (self.folder / str(step)).rename(target)

    def _delete(self, steps: Iterable[int]) -> None:
        for step in steps:
            self._set_aside(step, ".deleted")
        self._remove_half_done()

    def _remove_half_done(self) -> None:
        if collectives.index():
            return
        # A deletion is a rename first: what has a number for a name is always whole.
        for entry in self.folder.iterdir():
            if entry.name.startswith(".deleted-") or entry.name.endswith(".orbax-checkpoint-tmp"):
                shutil.rmtree(entry)


def damaged(folder: Path) -> Iterator[str]:
    """Every damaged step in a folder of checkpoints, one complete line each; the folder is left as it is."""
    for path in sorted((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name)):
        try:
            _read(path)
        except _DamagedError as error:
            yield f"{path} is damaged: {error}; remove it, or copy it back from a backup"


def _read(path: Path) -> dict[str, np.ndarray]:
    """Read every leaf of a step, by name, and check its digest."""
    path = path.absolute()
    try:
        with _without_echoes():
            digests = cast(Mapping[str, Mapping[str, str]], ocp.metadata(epath.Path(path)).custom_metadata)["digests"]
            arrays: dict[str, Any] = dict(ocp.load(epath.Path(path)))
    except Exception as error:  # of any class: it depends on the byte that is damaged
        raise _DamagedError(f"it cannot be read ({type(error).__name__}: {_first_line(error)})") from error
    if digests.keys() != arrays.keys():
        raise _DamagedError(f"leaf {min(digests.keys() ^ arrays.keys())} has no data or no digest")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or _digest(int(path.name), name, array) != digests[name]:
            raise _DamagedError(f"leaf {name} is not what was saved: its sha256 differs")
    return arrays


@contextmanager
def _without_echoes() -> Iterator[None]:
    """Silence who repeats one leaf's error, which is raised, for every other leaf."""
    loggers = [logging.getLogger(name) for name in ("asyncio", "absl")]
    levels, hook = [logger.level for logger in loggers], sys.unraisablehook
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    sys.unraisablehook = functools.partial(_unless_late, hook)
    try:
        yield
    except BaseException:
        gc.collect()  # asyncio tells it when the other leaves' tasks are collected
        raise  # and leave the hook: threads of tensorstore may come back later
    else:
        sys.unraisablehook = hook
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _unless_late(hook: Callable[[Any], object], told: Any) -> None:
    """Tell of an error that nobody can catch, unless it is a leaf's that came after the first one ended the loop."""
    if str(told.exc_value) != "Event loop is closed":
        hook(told)


def _host_leaves(state: object) -> dict[str, np.ndarray]:
    """Every leaf of a pytree as an array in host memory, by its path, in the order of `jax.tree.leaves`."""
    paths, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path) or "state": _host(leaf) for path, leaf in paths}


def _host(leaf: object) -> np.ndarray:
    if _is_key(leaf):
        leaf = jax.random.key_data(leaf)
    array = np.asarray(leaf)
    if array.size == 0 or not (jnp.issubdtype(array.dtype, jnp.number) or array.dtype == np.bool_):
        raise TypeError(f"a leaf of type {type(leaf).__name__}, {array.dtype} {array.shape}, cannot be in a checkpoint")
    return array


def _like(leaf: object, array: np.ndarray) -> object:
    """The values of `array` in the kind of `leaf`."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(jax.device_put(array), impl=jax.random.key_impl(leaf))
    if isinstance(leaf, jax.Array):
        return jax.device_put(array)
    if isinstance(leaf, np.ndarray):
        return array
    return array[()] if isinstance(leaf, np.generic) else array.item()


def _is_key(leaf: object) -> TypeGuard[jax.Array]:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _digest(step: int, name: str, array: np.ndarray) -> str:
    header = json.dumps([step, name, array.dtype.name, array.shape])
    return hashlib.sha256(header.encode() + b"\n" + array.tobytes()).hexdigest()


def _describe(array: np.ndarray | None) -> str:
    return "absent" if array is None else f"{array.dtype.name}{list(array.shape)}"


def _first_line(error: Exception) -> str:
    text = str(error).split(" [tensorstore_spec")[0].strip()
    return (text.splitlines() or [type(error).__name__])[0][:500]
