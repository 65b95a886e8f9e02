"""The programs of an outer step, lowered for an engine's devices from shapes alone: nothing is computed."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax.stages import Lowered

from kerneldistill.kernels.exact_engine import ExactEngine


def step_programs(engine: ExactEngine, support: int, targets: int) -> Mapping[str, Callable[[], Lowered]]:
    """Name the programs of a step of `support` images and a chunk of `targets`, in the order in which it runs them.

    There is no block_saving where the engine keeps nothing of such a chunk, which may not fit the devices. jacobian
    stands for block_saving and pullback in a second-order step, whose chunks are `jacobian_chunk`.
    """
    rows, columns = _features(engine, support), _features(engine, targets)
    entries = jax.ShapeDtypeStruct((targets, support), engine.dtype)
    parts = jax.tree.map(lambda x: jax.ShapeDtypeStruct((engine.target_shards, *x.shape), x.dtype), rows)
    devices = len(engine.devices)
    indices = jax.ShapeDtypeStruct((-(-support // devices) * devices,), jnp.int64)
    fewer = _features(engine, engine.jacobian_chunk(targets, support))

    keeps = bool(engine.saved_bytes(support, targets))

    def saved() -> object:
        return jax.eval_shape(engine._k_ts_saving, rows, columns)[1] if keeps else None

    programs: dict[str, Callable[[], Lowered]] = {
        "features": lambda: engine._target_features.lower(columns.images),
        "half_block": lambda: engine._half_k_ss.lower(rows, indices),
        "block": lambda: engine._k_ts.lower(rows, columns),
        "block_saving": lambda: engine._k_ts_saving.lower(rows, columns),
        "pullback": lambda: engine._pullback.lower(rows, columns, entries, parts, saved()),
        "pullback_images": lambda: engine._pullback_images.lower(rows.images, parts),
        "jacobian": lambda: engine._k_ts_and_jacobian.lower(rows, fewer),
    }
    if not keeps:
        del programs["block_saving"]
    return programs


def _features(engine: ExactEngine, count: int):
    images = jax.ShapeDtypeStruct((count, *engine.image_shape), engine.dtype)
    return jax.eval_shape(engine._support_features, images)
