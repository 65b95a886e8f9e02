"""presets: list them, or print one."""

from kerneldistill.cli.invocation import Call
from kerneldistill.config.presets import SUMMARIES
from kerneldistill.config.toml import config_to_toml, preset_config
from kerneldistill.errors import UserError
from kerneldistill.runtime.text import columns


def execute(call: Call) -> None:
    """List the presets, or print one as TOML."""
    if len(call.args) > 1:
        raise UserError(f"presets takes one name at most, given are: {' '.join(call.args)}")
    if not call.args:
        print(columns(SUMMARIES))
    elif call.args[0] in ("-h", "--help"):
        print(f"usage: {call.prog} [PRESET]\n\n{call.description}")
    else:
        print(config_to_toml(preset_config(call.args[0])), end="")
