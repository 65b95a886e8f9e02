"""Dataset distillation by kernel meta-learning: the outer loop, its files, its command line, and this surface.

    import kerneldistill as kd

    result = kd.distill(images, labels, size=10)  # a few images that stand for all of them
    result.predict(other_images)                  # by kernel ridge regression from them

distill, label_solve, run      make a distilled set from arrays, or of a data set by name
load, evaluate, DistilledSet   use a set, and judge it
prepare, load_prepared         a whitened data set on disk
zoo                            learned sets that come with the package
Config, preset, presets        the settings, all of which `kdistill run --help` explains
kernels, pipeline              exact kernels of infinitely wide networks; data preparation

Importing this loads neither jax, Beam, TensorFlow nor matplotlib: each name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerneldistill.errors import UserError

if TYPE_CHECKING:
    from kerneldistill import kernels, pipeline, zoo
    from kerneldistill.api.data import load_prepared, prepare
    from kerneldistill.api.distilled_set import DistilledSet, load
    from kerneldistill.api.jobs import distill, label_solve, run
    from kerneldistill.api.judging import evaluate
    from kerneldistill.api.settings import preset, presets
    from kerneldistill.config.schema import (
        AugmentConfig,
        CheckpointConfig,
        Config,
        DataConfig,
        EvaluateConfig,
        KernelConfig,
        KrrConfig,
        LossConfig,
        OptimConfig,
        RandomFeaturesConfig,
        ScheduleConfig,
        StrengthConfig,
        SupportConfig,
    )
    from kerneldistill.pipeline.errors import DataError

__all__ = [
    "AugmentConfig",
    "CheckpointConfig",
    "Config",
    "DataConfig",
    "DataError",
    "DistilledSet",
    "EvaluateConfig",
    "KernelConfig",
    "KrrConfig",
    "LossConfig",
    "OptimConfig",
    "RandomFeaturesConfig",
    "ScheduleConfig",
    "StrengthConfig",
    "SupportConfig",
    "UserError",
    "distill",
    "evaluate",
    "kernels",
    "label_solve",
    "load",
    "load_prepared",
    "pipeline",
    "prepare",
    "preset",
    "presets",
    "run",
    "zoo",
]

# Where a name is, if not among the settings.
_MODULES = {
    "DataError": "kerneldistill.pipeline.errors",
    "DistilledSet": "kerneldistill.api.distilled_set",
    "distill": "kerneldistill.api.jobs",
    "evaluate": "kerneldistill.api.judging",
    "label_solve": "kerneldistill.api.jobs",
    "load": "kerneldistill.api.distilled_set",
    "load_prepared": "kerneldistill.api.data",
    "prepare": "kerneldistill.api.data",
    "preset": "kerneldistill.api.settings",
    "presets": "kerneldistill.api.settings",
    "run": "kerneldistill.api.jobs",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("kernels", "pipeline", "zoo"):
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(_MODULES.get(name, "kerneldistill.config.schema")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
