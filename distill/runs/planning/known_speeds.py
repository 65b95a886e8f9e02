"""The speeds that were measured on this machine, so that a run need not measure them again before it begins."""

import contextlib
import hashlib
import json
import logging
import time

import jax
import pydantic

from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs.planning.calibration import Speed, calibrate
from kerneldistill.runs.planning.workload import Workload
from kerneldistill.runtime.devices import cache_folder

LOG = logging.getLogger(__name__)

# When each was measured, in seconds since the epoch, and what it was.
_Known = pydantic.TypeAdapter(dict[str, tuple[float, Speed]])
_FILE = "speeds.json"
# How many are kept, the newest.
_KEPT = 200
# Seconds after which one is measured again: the machine may have been busy.
_HOLDS = 86400.0


def speed_of(work: Workload, anew: bool = False) -> Speed:
    """Return the speed of this machine at the kernel of `work`; measure it if it is not known, or `anew`."""
    key, known = _key(work), _read()
    if not anew and key in known and time.time() - known[key][0] < _HOLDS:
        return known[key][1]
    found = calibrate(work)
    known.pop(key, None)
    _keep(dict([*known.items(), (key, (time.time(), found))][-_KEPT:]))
    return found


def _key(work: Workload) -> str:
    """Digest of all that the speed depends on."""
    devices = work.engine.devices
    of = (jax.__version__, devices[0].device_kind, len(devices), repr(work.config.kernel), work.engine.image_shape)
    how = (work.rows, work.chunk, work.second_order is not None, work.config.random_features)
    if work.config.support.shards > 1:
        how = (*how, work.config.support.shards)
    return hashlib.sha256(repr((*of, *how)).encode()).hexdigest()[:16]


def _read() -> dict[str, tuple[float, Speed]]:
    folder = cache_folder()
    with contextlib.suppress(OSError, ValueError):  # what cannot be read is measured again
        return _Known.validate_json((folder / _FILE).read_bytes()) if folder is not None else {}
    return {}


def _keep(known: dict[str, tuple[float, Speed]]) -> None:
    folder = cache_folder()
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _FILE, json.dumps(_Known.dump_python(known), indent=1).encode())
    except OSError as error:
        LOG.debug("%s could not be kept: %s", folder / _FILE, error)
