"""The workloads of all levels of a run."""

from collections.abc import Sequence

from kerneldistill.algorithms.encoders import import_encoder
from kerneldistill.algorithms.engines import engine_of
from kerneldistill.config.coarse import coarser
from kerneldistill.config.data_limits import check_levels
from kerneldistill.config.schema import FEATURES, Config
from kerneldistill.errors import UserError
from kerneldistill.kernels.feature_engine import FeatureEngine
from kerneldistill.kernels.topologies import Described
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.dataset_size import DataSize, size_of
from kerneldistill.runs.planning.feature_workload import FeatureWorkload
from kerneldistill.runs.planning.workload import Workload, workload_of


def workloads_of(config: Config, rundir: RunDir, devices: int | Sequence[Described]) -> list[Workload]:
    """Return the workloads of a run on devices as for `workload_of`, level by level, its own last; start jax.

    Raises:
      UserError: the images or classes do not suit the configuration, or the network cannot take the images.
      DataError: the data cannot be found.
    """
    work = _work(config, size_of(config, rundir.prepared), devices)
    check_levels(config, work.size.image_shape)
    if not config.coarse:
        return [work]
    level, _ = coarser(config, work.size.image_shape)
    return [*workloads_of(level, rundir.coarse, devices), work]


def _work(config: Config, size: DataSize, devices: int | Sequence[Described]) -> Workload:
    if config.kernel.network != FEATURES:
        return workload_of(config, size, devices)
    if not isinstance(devices, int):
        raise UserError(
            f"--topology is given, and the kernel is of features of {config.kernel.encoder!r}, which is planned for "
            "this machine alone: leave --topology out"
        )
    import_encoder(config.kernel)  # a plan, and the forecast of a sweep, begin here
    engine = engine_of(config.kernel, size.image_shape)
    assert isinstance(engine, FeatureEngine)  # that of features
    return FeatureWorkload(config, size, engine)
