"""How far a job is, as seen from where it was launched: by the files that its workers, wherever they run, have left."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from etils import epath

from kerneldistill.pipeline.job.batch import Batch
from kerneldistill.pipeline.storage.files import is_remote

# With how many images it is done, what goes on, and how many images there are.
Told = Callable[[int, str, int], None]

# Between two looks; a look at a URL costs a request.
_SECONDS, _SECONDS_REMOTE = 0.5, 10.0


@contextmanager
def watched(staging: epath.Path, batches: Sequence[Batch], told: Told | None) -> Iterator[None]:
    """Tell how far the job is until the block ends, which does not wait for it."""
    if told is None:
        yield
        return
    ended, tell = threading.Event(), told

    def watch() -> None:
        while not ended.wait(_SECONDS_REMOTE if is_remote(staging) else _SECONDS):
            tell(*progress_of(staging, batches))

    threading.Thread(target=watch, daemon=True, name="prepare").start()
    try:
        yield
    finally:
        ended.set()


def progress_of(staging: epath.Path, batches: Sequence[Batch]) -> tuple[int, str, int]:
    """Return with how many images it is done, what goes on, and how many there are in all."""
    sizes = [batch.stop - batch.start for batch in batches]
    total, raw, written = sum(sizes), _count(staging / "raw"), _count(staging / "shards")
    # Validation images come from the batches of train.
    if written:
        return sum(sizes[:written]), "whitening", total
    return (sum(sizes[:raw]), "decoding", total) if raw < len(sizes) else (0, "fitting the whitening", total)


def _count(folder: epath.Path) -> int:
    """Return how many batches have a file there."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:  # not there yet, or not any more
        return 0
    return sum(not name.startswith((".", "validation")) for name in names)
