"""The refusal of a run that cannot fit into memory, before anything slow starts."""

from distill.config import Config
from distill.planning.data import size_of
from distill.planning.machine import machine
from distill.planning.memory import memory_of
from distill.planning.plan import check_fits
from distill.planning.shape import shape_of
from distill.rundir import RunDir


def check_memory(config: Config, rundir: RunDir) -> None:
    """Refuses a run that this machine has not the memory for; starts jax's backend, and compiles nothing.

    Raises:
      UserError: with the numbers and a remedy; or the images or classes do not suit the configuration.
      DataError: the data cannot be found.
    """
    here = machine()
    shape = shape_of(config, size_of(config, rundir.prepared), here.devices)
    check_fits(config, memory_of(shape), here)
