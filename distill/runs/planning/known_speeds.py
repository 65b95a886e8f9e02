"""The speeds that were measured on this machine, so that a run need not measure them again before it begins."""

import contextlib
import hashlib
import json
import logging

import jax
import pydantic

from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.runs.planning.calibration import Speed, calibrate
from kerneldistill.runs.planning.workload import Workload
from kerneldistill.runtime.devices import cache_folder

LOG = logging.getLogger(__name__)

_Known = pydantic.TypeAdapter(dict[str, Speed])
_FILE = "speeds.json"
# How many are kept, the newest.
_KEPT = 200


def speed_of(work: Workload, anew: bool = False) -> Speed:
    """Return the speed of this machine at the kernel of `work`; measure it if it is not known, or `anew`."""
    key, known = _key(work), _read()
    if key in known and not anew:
        return known[key]
    found = calibrate(work)
    known.pop(key, None)
    _keep(dict([*known.items(), (key, found)][-_KEPT:]))
    return found


def _key(work: Workload) -> str:
    """Digest of all that the speed depends on."""
    devices = work.engine.devices
    of = (jax.__version__, devices[0].device_kind, len(devices), repr(work.config.kernel), work.engine.image_shape)
    return hashlib.sha256(repr((*of, work.rows, work.chunk, work.second_order is not None)).encode()).hexdigest()[:16]


def _read() -> dict[str, Speed]:
    folder = cache_folder()
    with contextlib.suppress(OSError, ValueError):  # what cannot be read is measured again
        return _Known.validate_json((folder / _FILE).read_bytes()) if folder is not None else {}
    return {}


def _keep(known: dict[str, Speed]) -> None:
    folder = cache_folder()
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / _FILE, json.dumps(_Known.dump_python(known), indent=1).encode())
    except OSError as error:
        LOG.debug("%s could not be kept: %s", folder / _FILE, error)
