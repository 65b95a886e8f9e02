"""Data preparation: a labelled image data set in, whitened float32 images with a manifest out.

`prepare` writes a prepared data set (a Beam pipeline), `load` reads one, `verify` checks one. Importing this package
loads neither Beam nor TensorFlow, nor numpy: each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerneldistill.pipeline.config import DataConfig
    from kerneldistill.pipeline.errors import DataError
    from kerneldistill.pipeline.preparation import prepare
    from kerneldistill.pipeline.prepared import Prepared, load
    from kerneldistill.pipeline.split import Split
    from kerneldistill.pipeline.storage.manifest import Manifest
    from kerneldistill.pipeline.verification import verify
    from kerneldistill.pipeline.whitening.whitener import Whitener

__all__ = ["DataConfig", "DataError", "Manifest", "Prepared", "Split", "Whitener", "load", "prepare", "verify"]

_MODULES = {
    "DataConfig": "config",
    "DataError": "errors",
    "Manifest": "storage.manifest",
    "Prepared": "prepared",
    "Split": "split",
    "Whitener": "whitening.whitener",
    "load": "prepared",
    "prepare": "preparation",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
