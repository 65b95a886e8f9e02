"""The refusal of a run that cannot fit into memory, before anything slow starts."""

from kerneldistill.config.schema import Config
from kerneldistill.runs.directory import RunDir
from kerneldistill.runs.planning.dataset_size import size_of
from kerneldistill.runs.planning.machine import machine
from kerneldistill.runs.planning.memory import memory_of
from kerneldistill.runs.planning.plan import check_fits
from kerneldistill.runs.planning.workload import shape_of


def check_memory(config: Config, rundir: RunDir) -> None:
    """Refuses a run that this machine has not the memory for; starts jax's backend, and compiles nothing.

    Raises:
      UserError: with the numbers and a remedy; or the images or classes do not suit the configuration.
      DataError: the data cannot be found.
    """
    here = machine()
    shape = shape_of(config, size_of(config, rundir.prepared), here.devices)
    check_fits(config, memory_of(shape), here)
