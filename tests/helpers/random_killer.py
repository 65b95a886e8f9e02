"""Kill `prepare` by SIGKILL at random moments, and finish each killed run with another.

`python -m tests.helpers.random_killer FOLDER KILLS SEED` prints `undisturbed DIGEST SECONDS`, then for each kill
`MOMENT DIGEST`: of all names and bytes in FOLDER/out after the second run, or `stray NAMES` for more in FOLDER.
"""

import hashlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig
from kerneldistill.pipeline.job.beam_import import import_beam

CONFIG = DataConfig(whiten="kip_zca", batch_size=50)


def main(folder: Path, kills: int, seed: int) -> None:
    """Each run is a fork of this process, which only imports."""
    import_beam()
    import sklearn.datasets  # noqa: F401
    from array_record.python import array_record_module  # noqa: F401

    import kerneldistill.pipeline.job.transforms  # noqa: F401

    out = folder / "out"
    began = time.perf_counter()
    _wait(_start(out))
    seconds = time.perf_counter() - began
    print("undisturbed", _digest(folder), f"{seconds:.2f}", flush=True)
    rng = random.Random(seed)
    for _ in range(kills):
        shutil.rmtree(out)
        moment = rng.uniform(0, seconds)
        child = _start(out)
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        killed = os.waitpid(child, 0)[1]
        assert os.waitstatus_to_exitcode(killed) in (0, -signal.SIGKILL)
        _wait(_start(out))
        print(f"{moment:.3f}", _digest(folder), flush=True)


def _start(out: Path) -> int:
    child = os.fork()
    if child == 0:
        pipeline.prepare(CONFIG, out)
        os._exit(0)
    return child


def _wait(child: int) -> None:
    if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(f"a run that was left alone ended with status {status}")


def _digest(folder: Path) -> str:
    if names := {path.name for path in folder.iterdir()} - {"out"}:
        return f"stray {sorted(names)}"
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
