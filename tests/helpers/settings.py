"""A configuration from a preset, a file and flags, as the command line reads it but without a command."""

from collections.abc import Sequence
from pathlib import Path

from kerneldistill.cli.invocation import parsed
from kerneldistill.config.schema import Config
from kerneldistill.config.toml import layered
from kerneldistill.config.validation import check


def resolve(preset: str, file: Path | None = None, flags: Sequence[str] = ()) -> Config:
    """The configuration of a run: preset, then file, then flags such as `--optim.steps 10`."""
    config = parsed(Config, flags, "kdistill run", None, default=layered(preset, file))
    check(config)
    return config
