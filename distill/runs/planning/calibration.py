"""Measure seconds per kernel entry, with the programs that a run would use, on random images."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from kerneldistill.algorithms.linearised import Linearised, on_host
from kerneldistill.kernels.exact_engine import ExactEngine
from kerneldistill.kernels.image_features import Features
from kerneldistill.kernels.levels import points
from kerneldistill.runs.planning.feature_workload import FeatureWorkload
from kerneldistill.runs.planning.random_features_cost import RandomFeaturesSpeed, feature_map, timed
from kerneldistill.runs.planning.timing import best_of, seconds_of_call
from kerneldistill.runs.planning.workload import Workload
from kerneldistill.runtime.progress import activity

# What a step calls for every chunk, by name; the first is called, and so compiled, when they are made.
Programs = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Speed:
    """Speed of this machine, all devices together, in seconds.

    forward: one kernel entry
    gradient: one entry with its gradient; for second-order steps with its Jacobian, on the host
    features: the standard deviations of one image
    compile: compiling a step's programs, less what the compilation cache holds
    solve: going once over the kept Jacobian of one entry; 0 where none is kept
    random_features: those that estimate the kernel in a step; None where none do
    """

    forward: float
    gradient: float
    features: float
    compile: float
    solve: float = 0.0
    random_features: RandomFeaturesSpeed | None = None


def calibrate(work: Workload) -> Speed:
    """Time the kernel of a run, and tell of it; see `_measured`."""
    with activity("timing the kernel"):
        return _encoded(work) if isinstance(work, FeatureWorkload) else _measured(work)


def _encoded(work: FeatureWorkload) -> Speed:
    """Encode a group of images, with its gradient, and multiply features: see `FeatureWorkload` for what is counted."""
    engine, rng = work.engine, np.random.default_rng(0)
    images = rng.standard_normal((engine.group, *engine.image_shape)).astype(engine.dtype)
    began = time.perf_counter()
    values = engine.encode(images)
    engine.encode_pullback(images, values)
    compiling = time.perf_counter() - began
    forward, back = best_of(lambda: engine.encode(images)), best_of(lambda: engine.encode_pullback(images, values))
    left, right = rng.standard_normal((work.chunk, work.features)), rng.standard_normal((work.features, 100))
    return Speed(
        forward=forward / len(images),
        gradient=(forward + back) / len(images),
        features=forward / len(images),
        compile=max(0.0, compiling - forward - back),
        solve=best_of(lambda: left @ right) / (left.size * right.shape[1]),
    )


def _measured(work: Workload) -> Speed:
    """Compute one chunk of a step, once to compile and then to time it: a few seconds on two CPU cores.

    Take fewer rows where one group of columns with the whole support would take longer than a chunk should.
    """
    engine, size = work.engine, work.engine.image_shape
    unit = points(engine.network, *size) * engine.target_shards * engine.group
    shards = engine.support_shards
    rows_count = shards * max(1, min(work.rows, engine.points_at_once // unit) // shards)
    rng = np.random.default_rng(0)
    support, targets = (rng.standard_normal((count, *size)).astype(engine.dtype) for count in (rows_count, work.chunk))
    began = time.perf_counter()
    f_s, f_t = engine.support_features(support), engine.target_features(targets)
    step, solve = (_by_gradient if work.second_order is None else _by_jacobian)(engine, f_s, f_t)
    seconds, compiling = {}, time.perf_counter() - began
    both = {"features": lambda: engine.target_features(targets), "forward": lambda: engine.k_ts(f_s, f_t)}
    for name, program in {**both, **step, **solve}.items():
        first, seconds[name] = seconds_of_call(program), best_of(program)
        compiling += max(0.0, first - seconds[name])
    entries = rows_count * len(targets)
    estimated = bool(work.config.random_features.networks)
    return Speed(
        forward=seconds["forward"] / entries,
        gradient=sum(seconds[name] for name in step) / entries,
        features=seconds["features"] / len(targets),
        compile=max(0.0, compiling - seconds[next(iter(step))] - seconds["features"]),
        solve=sum(seconds[name] for name in solve) / max(1, len(solve)) / entries,
        random_features=timed(feature_map(work.config, engine), work.targets) if estimated else None,
    )


def _by_gradient(engine: ExactEngine, support: Features, targets: Features) -> tuple[Programs, Programs]:
    """Those that sum the gradient of a chunk, and none."""
    cotangent = np.ones((len(targets), len(support)))
    saved = jax.block_until_ready(engine.k_ts_saving(support, targets))[1]
    return {
        "saving": lambda: engine.k_ts_saving(support, targets),
        "pullback": lambda: engine.pullback(support, targets, cotangent, saved=saved),
    }, {}


def _by_jacobian(engine: ExactEngine, support: Features, targets: Features) -> tuple[Programs, Programs]:
    """The one that gives the Jacobian of a chunk, and passes over what is kept of it."""

    def jacobian() -> tuple[np.ndarray, np.ndarray]:
        return on_host(*engine.k_ts_and_jacobian(support, targets), len(targets), flip=False)

    images = np.asarray(support.images)
    kept = Linearised(images, *jacobian(), labels=np.zeros((len(targets), 0)))
    passes: Programs = {"along": lambda: kept.along(images), "pull_back": lambda: kept.pull_back(kept.k_ts)}
    return {"jacobian": jacobian}, passes
