"""Measure seconds per kernel entry, with the programs that a run would use, on random images."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from kerneldistill.kernels.exact_engine import CHUNK_POINTS
from kerneldistill.kernels.levels import points
from kerneldistill.runs.planning.workload import Workload


@dataclass(frozen=True)
class Speed:
    """Speed of this machine, all devices together, in seconds.

    forward: one kernel entry
    gradient: one entry with its gradient
    features: the standard deviations of one image
    compile: compiling a step's programs, less what the compilation cache holds
    """

    forward: float
    gradient: float
    features: float
    compile: float


def calibrate(work: Workload) -> Speed:
    """Compute one chunk of a step, once to compile and then to time it: a few seconds on two CPU cores.

    Take fewer rows where one group of columns with the whole support would take longer than a chunk should.
    """
    engine, size = work.engine, work.engine.image_shape
    unit = points(engine.network, *size) * len(engine.devices) * engine.group
    rows_count = max(1, min(work.rows, CHUNK_POINTS // unit))
    rng = np.random.default_rng(0)
    support, targets = (rng.standard_normal((count, *size)).astype(engine.dtype) for count in (rows_count, work.chunk))
    began = time.perf_counter()
    f_s, f_t = engine.support_features(support), engine.target_features(targets)
    cotangent = np.ones((len(targets), rows_count))
    saved = jax.block_until_ready(engine.k_ts_saving(f_s, f_t))[1]
    seconds, compiling = {}, time.perf_counter() - began
    programs: dict[str, Callable[[], object]] = {
        "features": lambda: engine.target_features(targets),
        "forward": lambda: engine.k_ts(f_s, f_t),
        "saving": lambda: engine.k_ts_saving(f_s, f_t),
        "pullback": lambda: engine.pullback(f_s, f_t, cotangent, saved=saved),
    }
    for name, program in programs.items():
        first, seconds[name] = _seconds(program), _best(program)
        compiling += max(0.0, first - seconds[name])
    entries = rows_count * len(targets)
    return Speed(
        forward=seconds["forward"] / entries,
        gradient=(seconds["saving"] + seconds["pullback"]) / entries,
        features=seconds["features"] / len(targets),
        compile=max(0.0, compiling - seconds["saving"] - seconds["features"]),
    )


def _best(program: Callable[[], object]) -> float:
    """Return the least of three times, or of fewer if they take a second: other work only adds."""
    times = [_seconds(program)]
    while len(times) < 3 and sum(times) < 1:
        times.append(_seconds(program))
    return min(times)


def _seconds(program: Callable[[], object]) -> float:
    began = time.perf_counter()
    jax.block_until_ready(program())
    return time.perf_counter() - began
