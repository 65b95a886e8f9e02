"""The help that a newcomer needs of a command with hundreds of flags: the first of them, and a line each section.

`kdistill run --help SECTION` shows the flags of one section, `--help-all` those of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, make_dataclass
from inspect import getdoc
from types import MappingProxyType
from typing import get_type_hints

from kerneldistill.cli.flags import flags_of
from kerneldistill.cli.invocation import Call
from kerneldistill.config.nearest import offered
from kerneldistill.config.schema import Config
from kerneldistill.config.settings import settings
from kerneldistill.errors import UserError
from kerneldistill.runtime.distributed.options import ALONE, Processes
from kerneldistill.runtime.text import columns

# The settings to begin with. {} is the value that they have.
FIRST = MappingProxyType(
    {
        "--data.dir PATH": "your data: a folder with a folder a class; .npz, .npy, .csv; Hugging Face; TFDS",
        "--data.height N, --data.width N": "pixels to bring all images to, with --data.resize lanczos",
        "--data.whiten NAME": "standard, kip_zca (for colour images), kornia_zca or none ({})",
        "--support.size N": "learned images, of all classes together ({})",
        "--support.learn-labels": "learn their labels, too ({})",
        "--kernel.network NAME": "fc, conv_net, conv_vec, myrtle, wide_resnet, resnet, vit ({}); --kernel.depth N",
        "--optim.steps N": "steps of learning ({}); each costs the same",
        "--optim.target-batch N": "training images in each step ({}); fewer is cheaper",
        "--optim.learning-rate X": "the step size of the images ({})",
        "--seed N": "another draw of everything random ({})",
    }
)
EVERYWHERE = MappingProxyType(
    {
        "--dir RUN": "the run directory (runs/PRESET); the same command again resumes it",
        "--config FILE.toml": "settings from a file: over the preset, under the flags",
    }
)
_PREPARED = {"--prepared DIR": "data that kdistill prepare, or another run, has prepared already"}
_BEAM = {"--pipeline-options NAME=VALUE...": "options of Beam, for clusters"}
_LEARNING = {
    "--fork RUN": "begin with the images of another run; --fork-from newest|best|STEP",
    "--track wandb": "follow the run with Weights & Biases, too (extra [wandb])",
    "--yes": "begin a run of more than an hour without being asked",
    **_PREPARED,
}
# Of each command.
OWN = MappingProxyType(
    {
        "run": _LEARNING | _BEAM,
        "prepare": {
            "--out DIR": "where the prepared data go, without a run; --overwrite replaces others",
            **_BEAM,
        },
        "distill": _LEARNING,
        "label-solve": {"--yes": _LEARNING["--yes"], **_PREPARED, **_BEAM},
        "plan": {
            "--no-calibrate": "time nothing: tiles and memory alone, at once",
            "--devices N, --memory SIZE": "plan for another machine, such as --devices 8 --memory 80GB",
            "--topology NAME": "plan for devices that are not here, such as v5e:8x8 or h100:8; --within 2h: how many",
            "--json": "print JSON",
        },
    }
)


def show_help(call: Call, asked: str, config: Config) -> None:
    """Print the short help of a command, or the help of a section of its flags.

    Args:
      call: of the command
      asked: the section; empty for the short help
      config: whose values are shown

    Raises:
      UserError: there is no such section.
      SystemExit: with status 0, when the help of a section has been shown.
    """
    if not asked:
        print(short_help(call, config))
        return
    tables = sections()
    if asked not in tables:
        raise UserError(f"SECTION is {asked!r}, {offered(asked, tables)} ({call.prog} --help SECTION)")
    name = asked.replace("-", "_")
    value = getattr(config, name, ALONE)
    section = make_dataclass("Section", [(name, type(value), value)], frozen=True)
    call._replace(args=["--help"], description=f"The flags of {asked}.").parse(section)


def short_help(call: Call, config: Config) -> str:
    """Write the help that a newcomer needs."""
    tables = {f"--{name}.*": f"{text} ({count})" for name, (text, count) in sections().items()}
    top = [setting for setting in settings() if "." not in setting]
    return f"""usage: {call.prog} [PRESET] [--flag VALUE ...]

{call.text}

PRESET is what to start from, as kdistill presets lists them; without one, settings for your own data.

flags to begin with, and their values in that preset:
{columns(_with_values(FIRST, config))}

flags of this command:
{columns({**EVERYWHERE, **OWN[call.name]})}

sections of flags, and how many each has ({call.prog} --help SECTION shows one, --help-all all {_count(top)}):
{columns(tables)}"""


def sections() -> Mapping[str, tuple[str, int]]:
    """Every section, what it is about, and the number of its flags."""
    hints = get_type_hints(Config)
    kinds = {name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)}
    return {
        name.replace("_", "-"): (_about(kind), len({found.name for found in flags_of(kind).values()}))
        for name, kind in {**kinds, "processes": Processes}.items()
    }


def _about(kind: type) -> str:
    return (getdoc(kind) or "").partition("\n")[0].partition(" (")[0].rstrip(".")


def _count(top: Sequence[str]) -> int:
    return len(top) + sum(count for _, count in sections().values())


def _with_values(rows: Mapping[str, str], config: Config) -> dict[str, str]:
    values = {setting.flag: setting.of(config) for setting in settings().values()}
    return {words: text.format(_said(values.get(words.split()[0].rstrip(",")))) for words, text in rows.items()}


def _said(value: object) -> str:
    return {"True": "on", "False": "off"}.get(str(value), str(value))
