"""Every command: what its help says, and the module that does it."""

from types import MappingProxyType
from typing import NamedTuple


class Command(NamedTuple):
    """A command of `kdistill`.

    usage: the words after its name
    summary: one line
    details: more lines of its own help
    module: of `distill.commands`, loaded when the command is called; its `act` does it
    """

    usage: str
    summary: str
    details: str
    module: str


COMMANDS = MappingProxyType(
    {
        "run": Command(
            "PRESET",
            "prepare the data, distil, evaluate and export: the whole way",
            "Prepared data and finished steps in the run directory are not made again; the same command resumes an "
            "interrupted run.\n\n"
            "examples:\n  kdistill run digits\n"
            "  kdistill run cifar10-fc1 --data.dir ~/tensorflow_datasets --optim.steps 1000 --dir runs/long",
            "start",
        ),
        "prepare": Command(
            "PRESET",
            "only read, whiten and store the data set, with Beam",
            "examples:\n  kdistill prepare digits\n"
            "  kdistill prepare digits --data.name pets --data.source folder --data.dir ~/pets --out ~/pets-prepared\n"
            "  kdistill prepare cifar10-convnet-1 --data.dir ~/tensorflow_datasets \\\n"
            "    --pipeline-options direct_num_workers=4 --pipeline-options direct_running_mode=multi_processing",
            "start",
        ),
        "distill": Command(
            "PRESET",
            "only learn the images, from data that are prepared",
            "examples:\n  kdistill distill digits --optim.learning-rate 0.01 --dir runs/slow",
            "start",
        ),
        "label-solve": Command(
            "PRESET",
            "keep real images and solve for their labels: one step, closed form",
            "examples:\n  kdistill label-solve digits --support.size 50",
            "start",
        ),
        "evaluate": Command(
            "RUN",
            "measure a learned set on the test split again",
            "examples:\n  kdistill evaluate runs/digits",
            "finish",
        ),
        "export": Command(
            "RUN", "write the bundle of a run again", "examples:\n  kdistill export runs/digits", "finish"
        ),
        "verify": Command(
            "DIR",
            "check a prepared data set: every digest, image, count, and the whitening",
            "Prints a line for each problem; the exit status is then 2.\n\n"
            "examples:\n  kdistill verify runs/digits/prepared\n  kdistill verify gs://bucket/cifar10",
            "verify",
        ),
        "presets": Command(
            "[PRESET]",
            "list the presets, or print one as TOML to start a --config file from",
            "examples:\n  kdistill presets digits > mine.toml\n  kdistill run digits --config mine.toml",
            "presets",
        ),
    }
)
