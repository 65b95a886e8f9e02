"""Set up jax, before it starts."""

import os
from pathlib import Path

from kerneldistill.kernels.xla_flags import leave_loops_whole
from kerneldistill.runtime.once import watch_compiler


def setup() -> None:
    """Make every usable core a CPU device, turn float64 on, and keep compiled programs.

    Call it before anything starts jax's backend; after that jax raises RuntimeError. Accelerators are used as jax finds
    them. `KERNELDISTILL_CACHE` names the folder of compiled programs (default: kerneldistill in the user's cache
    folder); if it is empty, none are kept.
    """
    leave_loops_whole()
    cores = len(os.sched_getaffinity(0))
    # XLA runs each CPU device's part of a collective in a thread of one pool, as large as these say. A pool smaller
    # than twice the devices can fill with parts that wait for a part without a thread: the process aborts after 40 s.
    os.environ["PJRT_NPROC"] = os.environ["NPROC"] = str(2 * cores)

    import jax

    watch_compiler()
    jax.config.update("jax_num_cpu_devices", cores)
    jax.config.update("jax_enable_x64", True)
    folder = cache_folder()
    if folder is not None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        # By default a program is kept if it took a second: a step has nine, half of which are near that.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def cache_folder() -> Path | None:
    """Return the folder that keeps compiled programs between runs; None keeps none."""
    named = os.environ.get("KERNELDISTILL_CACHE")
    if named is not None:
        return Path(named).expanduser() if named else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kerneldistill"
