"""Run `prepare` again and again, killed by SIGKILL at each step towards its output in turn.

`python -m tests.helpers.killer DATA_DIR OUT STEPS`: OUT holds a data set of seed 0; prepares seed 1 over it. STEPS are
the first to kill at, such as `0,5,9`; all after the last of them follow. Prints after each kill the seed found at OUT,
and `done` when a run came through.
"""

import importlib
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Any

from etils import epath

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, Manifest
from kerneldistill.pipeline.job.beam_import import import_beam
from kerneldistill.pipeline.prepared import check_files
from kerneldistill.pipeline.storage import publish


def config(data_dir: str, seed: int) -> DataConfig:
    """Make the configuration under test."""
    return DataConfig(name="tiny", dir=data_dir, batch_size=12, seed=seed, validation_fraction=0.5)


def main(data_dir: str, out: str, first: str) -> None:
    """Fork one run for each step, until one is not killed."""
    _import_all()
    given = [int(step) for step in first.split(",")]
    for steps in itertools.chain(given, itertools.count(given[-1] + 1)):
        child = os.fork()
        if child == 0:
            _kill_before(steps)
            pipeline.prepare(config(data_dir, seed=1), out, overwrite=True)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
            print("done", flush=True)
            return
        # Not `load`: array_record would start threads here, which no child survives.
        manifest = Manifest.load(epath.Path(out))
        check_files(epath.Path(out), manifest)
        print(manifest.config.seed, flush=True)


def _import_all() -> None:
    """Import everything once, here, instead of in each child."""
    import_beam()
    for module in (
        "cProfile",
        "pydantic",
        "sortedcontainers",
        "tensorflow_datasets",
        "tree",
        "kerneldistill.pipeline.job.transforms",
    ):
        importlib.import_module(module)


def _kill_before(steps: int) -> None:
    """Patch all that moves or removes files for good, to kill this process before call number `steps`."""
    calls = 0

    def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            if calls == steps:
                os.kill(os.getpid(), signal.SIGKILL)
            calls += 1
            return function(*args, **kwargs)

        return call

    os.replace, os.rename, shutil.rmtree = deadly(os.replace), deadly(os.rename), deadly(shutil.rmtree)
    publish._exchange = deadly(publish._exchange)


if __name__ == "__main__":
    main(*sys.argv[1:])
