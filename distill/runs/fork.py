"""A fork: a run that begins with the images of another one, on purpose under another configuration.

The state is copied whole when the fork begins, so that the other run may go on, or be removed.
"""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from kerneldistill.algorithms.algorithm import Algorithm
from kerneldistill.algorithms.problem import Problem
from kerneldistill.config.differences import Difference, as_json, differences, in_words
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import flag
from kerneldistill.config.toml import config_from_toml, config_to_toml
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs.config_changes import may_fork
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.initial_support import Spent
from kerneldistill.runs.training.checkpoints import Checkpoints
from kerneldistill.runs.training.loop import TrainState, initial_state
from kerneldistill.runtime.console import tell


class Fork(NamedTuple):
    """Where a run began.

    run: the other run's directory, absolute
    which: what was asked for: newest, best, or a step
    step: outer steps done there
    config: of the other run, TOML
    """

    run: str
    which: str
    step: int
    config: str


def start_fork(rundir: RunDir, config: Config, run: Path, which: str) -> None:
    """Copy the state of another run into a run directory that has none; do nothing if that is done.

    Args:
      rundir: opened, of the fork
      config: of the fork
      run: directory of the other run
      which: newest, best, or the number of a saved step

    Raises:
      UserError: there is no such run or state, the configurations differ in what the images depend on, or `rundir` has
        begun otherwise.
    """
    origin = RunDir(run.expanduser().resolve())
    if (begun := read_fork(rundir)) is not None:
        if (begun.run, begun.which) == (str(origin.path), which):
            return
        raise UserError(f"{rundir.path} is a fork of {begun.run} ({begun.which}) already: choose another --dir")
    if rundir.metrics_file.exists() or rundir.outcome_file.exists():
        raise UserError(
            f"{rundir.path} has begun, and not as a fork: leave out --fork to go on, or choose another --dir"
        )
    saved = _state_folder(origin, which)
    changes = differences(origin.config(), config)
    _check_same_images(origin, changes)
    if config.optim.steps <= int(saved.name):
        raise UserError(
            f"optim.steps is {config.optim.steps}, but the fork begins after step {saved.name}: "
            f"set --optim.steps above {saved.name}"
        )
    if rundir.fork.exists():  # of a process that was killed here
        shutil.rmtree(rundir.fork)
    shutil.copytree(saved, rundir.fork / saved.name)
    if origin.start_file.exists():
        shutil.copy(origin.start_file, rundir.start_file)
    fork = Fork(str(origin.path), which, int(saved.name), config_to_toml(origin.config()))
    write_whole(
        rundir.fork_file, (json.dumps({**fork._asdict(), "changes": as_json(changes)}, indent=2) + "\n").encode()
    )
    tell(f"forked from {origin.path}, step {fork.step}; changed: {in_words(changes) or 'nothing'}")


def read_fork(rundir: RunDir) -> Fork | None:
    """Where a run began; None if it is no fork.

    Raises:
      UserError: its fork.json is damaged.
    """
    if not rundir.fork_file.exists():
        return None
    try:
        known = json.loads(rundir.fork_file.read_bytes())
        return Fork(*(known[name] for name in Fork._fields))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{rundir.fork_file} is damaged: {error}. Fork again into another --dir") from error


def first_state(rundir: RunDir, algorithm: Algorithm[Any], problem: Problem, spent: Spent) -> TrainState:
    """The state a run begins with: that of the fork, or step 0 after what was spent before it.

    The algorithm's state, such as an optimiser's, goes on where it is of the same kind as in the other run, and begins
    anew, from the other run's support, where it is not.

    Raises:
      UserError: the state that was copied is damaged, or of another kind of run.
    """
    fork = read_fork(rundir)
    if fork is None:
        return initial_state(algorithm, problem)._replace(elapsed=spent.seconds, processor=spent.processor)
    before = problem._replace(config=config_from_toml(fork.config, str(rundir.fork_file)))
    restored = Checkpoints(rundir.fork, keep=1).restore_latest(initial_state(algorithm, before))
    if restored is None:
        raise UserError(f"{rundir.fork} is missing: fork again into another --dir")
    old = restored[1]
    first = initial_state(algorithm, problem._replace(start=algorithm.support(old.learner)))
    if _kind(first.learner) == _kind(old.learner):
        first = first._replace(learner=old.learner)
    else:
        tell("the optimiser begins anew: it is of another kind than in the run forked from")
    if first.average is not None and old.average is not None:
        first = first._replace(average=old.average)
    best = first.best._replace(step=old.step)
    return first._replace(step=old.step, best=best, elapsed=old.elapsed, processor=old.processor, entries=old.entries)


def _state_folder(origin: RunDir, which: str) -> Path:
    """The folder of a saved step."""
    if not origin.config_file.is_file():
        raise UserError(f"--fork is {origin.path}, which has no config.toml: give a folder that kdistill run made")
    folder = origin.best if which == "best" else origin.checkpoints
    there = sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()) if folder.is_dir() else []
    if which.isdecimal() and int(which) in there:
        return folder / which
    if which in ("newest", "best") and there:
        return folder / str(there[-1])
    raise UserError(
        f"--fork-from is {which!r}, and the steps saved in {folder} are: {', '.join(map(str, there)) or 'none'}; "
        "allowed is newest, best, or one of these steps"
    )


def _check_same_images(origin: RunDir, changes: list[Difference]) -> None:
    """Check that the images mean the same under both configurations: what they began as, in which space, of what."""
    if fixed := [change for change in changes if not may_fork(change)]:
        raise UserError(
            f"a fork of {origin.path} keeps its images, and with them the data and how they began: {in_words(fixed)}. "
            f"Change {' '.join(flag(change.name) for change in fixed)} back"
        )


def _kind(state: object) -> object:
    """The structure of a state, and the shapes and types of its leaves."""
    leaves, structure = jax.tree.flatten(state)
    return structure, [(np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves]
