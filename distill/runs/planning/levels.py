"""The workloads of all levels of a run."""

from collections.abc import Sequence

from kerneldistill.config.coarse import coarser
from kerneldistill.config.data_limits import check_levels
from kerneldistill.config.schema import Config
from kerneldistill.kernels.topologies import Described
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.dataset_size import size_of
from kerneldistill.runs.planning.workload import Workload, workload_of


def workloads_of(config: Config, rundir: RunDir, devices: int | Sequence[Described]) -> list[Workload]:
    """Return the workloads of a run on devices as for `workload_of`, level by level, its own last; start jax.

    Raises:
      UserError: the images or classes do not suit the configuration, or the network cannot take the images.
      DataError: the data cannot be found.
    """
    work = workload_of(config, size_of(config, rundir.prepared), devices)
    check_levels(config, work.size.image_shape)
    if not config.coarse:
        return [work]
    level, _ = coarser(config, work.size.image_shape)
    return [*workloads_of(level, rundir.coarse, devices), work]
