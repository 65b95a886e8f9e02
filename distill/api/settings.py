"""Configurations by preset and by keyword, checked as those of the command line are."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from typing import Any, TypedDict

from kerneldistill.algorithms.encoders import give_encoder
from kerneldistill.api.arrays import IMAGE_KEY, LABEL_KEY, Arrays
from kerneldistill.config.own_data import with_data_found
from kerneldistill.config.presets import OWN, PRESETS, SUMMARIES
from kerneldistill.config.schema import (
    FEATURES,
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
    SupportConfig,
)
from kerneldistill.config.toml import config_from_table, preset_config
from kerneldistill.config.validation import check
from kerneldistill.kernels.feature_kernel import FeatureKernel

# What data from arrays are called, unless data={"name": ...} says so.
ARRAYS_NAME = "images"


class Sections(TypedDict, total=False):
    """Settings by keyword: of each section its own class, or a mapping of the values that differ; levels in a list."""

    data: DataConfig | Mapping[str, Any]
    kernel: KernelConfig | FeatureKernel | Mapping[str, Any]
    support: SupportConfig | Mapping[str, Any]
    loss: LossConfig | Mapping[str, Any]
    augment: AugmentConfig | Mapping[str, Any]
    random_features: RandomFeaturesConfig | Mapping[str, Any]
    optim: OptimConfig | Mapping[str, Any]
    krr: KrrConfig | Mapping[str, Any]
    evaluate: EvaluateConfig | Mapping[str, Any]
    checkpoint: CheckpointConfig | Mapping[str, Any]
    coarse: Sequence[int | str]


def preset(name: str) -> Config:
    """The configuration that a preset stands for.

    Args:
      name: one of `presets()`

    Raises:
      UserError: there is no such preset.

    Example:
      >>> kd.preset("digits").support.size
      10
    """
    return preset_config(name)


def presets() -> dict[str, str]:
    """Every preset's name with one line on what it is.

    Example:
      >>> list(kd.presets())[:2]
      ['digits', 'digits-ce']
    """
    return dict(SUMMARIES)


def configure(base: str | Config, sections: Mapping[str, Any]) -> Config:
    """`base`, or the preset of that name, with `sections` laid over it.

    Raises:
      UserError: no such preset or setting, a value of another type, or one out of its range.
    """
    config = preset_config(base) if isinstance(base, str) else base
    table = {name: _table(value) for name, value in sections.items() if value is not None}
    config = with_data_found(config_from_table(table, "keyword arguments", config) if table else config)
    check(config)
    return config


def for_arrays(
    arrays: Arrays, file: str, base: str | Config | None, sections: Mapping[str, Any], common: Mapping[str, Any]
) -> Config:
    """The configuration of a run on arrays that are stored in `file`.

    Args:
      arrays: the data
      file: an .npz that will hold them
      base: a preset or a configuration; None for one that suits images of this size
      sections: as in `configure`
      common: values by dotted name, as `support.size`, for what is not in `sections`; None for that of `base`

    Raises:
      UserError: as `configure`.
    """
    if base is None:
        base = replace(PRESETS[OWN], kernel=_kernel_for(arrays.train.images.shape[1:3]))
    tables = {name: _table(value) for name, value in sections.items()}
    for dotted, value in common.items():
        if value is not None:
            section, _, name = dotted.rpartition(".")
            (tables.setdefault(section, {}) if section else tables).setdefault(name, value)
    stored = {
        "source": "npz",
        "dir": file,
        "version": arrays.digest[:12],
        "image_key": IMAGE_KEY,
        "label_key": LABEL_KEY,
        "train_split": "train",
        "test_split": "test",
    }
    tables["data"] = {"name": ARRAYS_NAME, **tables.get("data", {}), **stored}
    return configure(base, tables)


def _table(value: Any) -> Any:
    """A dataclass or a mapping as a table of its own; any other value as it is. An encoder is given under its name."""
    if isinstance(value, FeatureKernel):
        give_encoder(value)
        return {"network": FEATURES, "encoder": value.name, "b_std": value.b_std}
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return dict(value) if isinstance(value, Mapping) else value


def _kernel_for(size: tuple[int, int]) -> KernelConfig:
    """KIP's ConvNet, as deep as in the paper from 16 pixels on and less deep below: 2 blocks at 8x8."""
    halvings = min(size).bit_length() - 1
    return KernelConfig("conv_net", min(3, max(1, halvings - 1))) if halvings else KernelConfig("fc", 1)
