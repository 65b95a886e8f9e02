"""The data of a run: read, whitened and stored, and checked against its configuration before that."""

import os
import time
from pathlib import Path

from kerneldistill.config.data_limits import check_image, check_levels, check_support
from kerneldistill.config.schema import Config
from kerneldistill.config.validation import check
from kerneldistill.pipeline import Manifest
from kerneldistill.pipeline import prepare as prepare_data
from kerneldistill.pipeline.preparation import identify
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.runs.coarse_run import awaits_coarse, coarse_run, share_data
from kerneldistill.runs.conduct import USUAL, Conduct
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.given_data import check_same, manifest_of, take
from kerneldistill.runs.initial_support import bundle_folder
from kerneldistill.runs.shared_data import NAMED, link, shared, shared_folder
from kerneldistill.runtime.console import tell
from kerneldistill.runtime.distributed import collectives
from kerneldistill.runtime.distributed.collectives import from_first
from kerneldistill.runtime.progress import activity


def prepare(config: Config, rundir: RunDir, conduct: Conduct = USUAL) -> None:
    """Read, whiten and store the data set of `config`, and that of each of its levels.

    Raises:
      UserError: the images or classes do not suit the configuration; before anything slow, but for classes that have
        too few images.
      DataError: the data cannot be read; see `kerneldistill.pipeline.preparation`.
    """
    alone = collectives.count() == 1
    from_first(lambda: _prepare(config, rundir, conduct, alone))
    if awaits_coarse(config, rundir):
        with coarse_run(config, rundir) as (level, folder):
            same = level.data == config.data
            if same:
                from_first(lambda: share_data(rundir))
            prepare(level, folder, conduct if same else conduct._replace(prepared=None))


def check_given(config: Config, rundir: RunDir, prepared: str | None = None) -> None:
    """Check all that can be told before data are read; of a run that is not there yet, before its folder is made.

    prepared: data that are to be used, for whose source nobody looks

    Raises:
      UserError: the images or classes do not suit the configuration.
      DataError: the source cannot be read.
    """
    check(config)
    if config.support.start not in ("real", "noise") and not rundir.start_file.exists():
        bundle_folder(config.support.start)
    if prepared is not None:
        check_same(config.data, prepared)
    source = open_source(config.data) if prepared is None else manifest_of(prepared)
    check_image(config.kernel, source.image_shape)
    check_levels(config, source.image_shape)
    # As if every class had enough images: how many it has is known when all are read.
    check_support(config.support, [config.support.size] * len(source.class_names))


def take_given(config: Config, rundir: RunDir, conduct: Conduct) -> None:
    """Let a run use the data that are named, if any are.

    Raises:
      UserError: they are not those of the configuration.
      DataError: there are none, or they are damaged.
    """
    if conduct.prepared is not None:
        check_same(config.data, conduct.prepared)
        take(rundir, conduct.prepared)


def _prepare(config: Config, rundir: RunDir, conduct: Conduct, alone: bool) -> None:
    check_given(config, rundir, conduct.prepared)
    began = time.perf_counter()
    take_given(config, rundir, conduct)
    manifest = _stored(config, rundir, conduct, alone) if conduct.prepared is None else Manifest.load(rundir.prepared)
    check_support(config.support, manifest.class_counts["train"])
    tell(f"{manifest.summary()} ({time.perf_counter() - began:.1f} s)")


def _stored(config: Config, rundir: RunDir, conduct: Conduct, alone: bool) -> Manifest:
    """Prepare the data where they are missing: among those that runs share, or in a run that has its own.

    alone: whether this process does the run by itself; others may be on machines that do not see the cache folder
    """
    folder, place = shared_folder() if alone or NAMED in os.environ else None, rundir.prepared
    with activity(f"preparing {config.data.name}", unit="images") as shown:
        identity = identify(config.data)
        is_link = place.is_symlink()
        if is_link and place.is_dir() and not _is_shared(place):
            manifest = Manifest.load(place)  # given with --prepared, or that of the next level
            if manifest.fingerprint == identity.fingerprint:
                return manifest
        if folder is None or rundir.arrays_file.exists() or (place.exists() and not is_link):
            if is_link:  # nothing is written to what others use
                place.unlink()
            return prepare_data(identity, place, conduct.options, True, shown.update)
        path, manifest = shared(folder, identity, conduct.options, shown)
        link(place, path)
        return manifest


def _is_shared(place: Path) -> bool:
    folder = shared_folder()
    return folder is not None and place.resolve().parent == folder.resolve()
