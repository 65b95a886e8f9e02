"""A configuration from a preset, a file and flags, as the command line reads it but without a command."""

from collections.abc import Sequence
from pathlib import Path

import tyro

from kerneldistill.config.schema import Config
from kerneldistill.config.toml import layered
from kerneldistill.config.validation import check


def resolve(preset: str, file: Path | None = None, flags: Sequence[str] = ()) -> Config:
    """The configuration of a run: preset, then file, then flags such as `--optim.steps 10`."""
    config = tyro.cli(Config, args=list(flags), default=layered(preset, file), config=(tyro.conf.FlagConversionOff,))
    check(config)
    return config
