"""presets: list them, or print one.

The comments below are the help texts.
"""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from kerneldistill.cli.invocation import Call
from kerneldistill.config.presets import SUMMARIES
from kerneldistill.config.toml import config_to_toml, preset_config
from kerneldistill.runtime.text import columns


@dataclass(frozen=True)
class PresetArguments:
    """Which preset to print."""

    # Its name. Default: all are listed.
    preset: Annotated[Positional[str], arg(metavar="PRESET", help_behavior_hint="")] = ""


ARGUMENTS = PresetArguments


def execute(call: Call) -> None:
    """List the presets, or print one as TOML."""
    preset = call.parse(PresetArguments).preset
    print(config_to_toml(preset_config(preset)) if preset else columns(SUMMARIES) + "\n", end="")
