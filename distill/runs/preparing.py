"""The data of a run: read, whitened and stored, and checked against its configuration before that."""

import time

from kerneldistill.config.data_limits import check_image, check_levels, check_support
from kerneldistill.config.schema import Config
from kerneldistill.config.validation import check
from kerneldistill.pipeline import prepare as prepare_data
from kerneldistill.pipeline.sources.source import open_source
from kerneldistill.runs.coarse_run import awaits_coarse, coarse_run, share_data
from kerneldistill.runs.conduct import USUAL, Conduct
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.initial_support import bundle_folder
from kerneldistill.runtime.console import tell
from kerneldistill.runtime.distributed.collectives import from_first
from kerneldistill.runtime.progress import activity


def prepare(config: Config, rundir: RunDir, conduct: Conduct = USUAL) -> None:
    """Read, whiten and store the data set of `config`, and that of each of its levels.

    Raises:
      UserError: the images or classes do not suit the configuration; before anything slow, but for classes that have
        too few images.
      DataError: the data cannot be read; see `kerneldistill.pipeline.preparation`.
    """
    from_first(lambda: _prepare(config, rundir, conduct))
    if awaits_coarse(config, rundir):
        with coarse_run(config, rundir) as (level, folder):
            if level.data == config.data:
                from_first(lambda: share_data(rundir))
            prepare(level, folder, conduct)


def check_given(config: Config, rundir: RunDir) -> None:
    """Check all that can be told before data are read; of a run that is not there yet, before its folder is made.

    Raises:
      UserError: the images or classes do not suit the configuration.
      DataError: the source cannot be read.
    """
    check(config)
    if config.support.start not in ("real", "noise") and not rundir.start_file.exists():
        bundle_folder(config.support.start)
    source = open_source(config.data)
    check_image(config.kernel, source.image_shape)
    check_levels(config, source.image_shape)
    # As if every class had enough images: how many it has is known when all are read.
    check_support(config.support, [config.support.size] * len(source.class_names))


def _prepare(config: Config, rundir: RunDir, conduct: Conduct) -> None:
    check_given(config, rundir)
    began = time.perf_counter()
    with activity(f"preparing {config.data.name}", unit="images") as shown:
        manifest = prepare_data(config.data, rundir.prepared, conduct.options, True, shown.update)
    check_support(config.support, manifest.class_counts["train"])
    tell(f"{manifest.summary()} ({time.perf_counter() - began:.1f} s)")
