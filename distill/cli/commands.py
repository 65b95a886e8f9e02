"""Every command: the text of its help and the module that runs it.

A new command is one row here and one module.
"""

from types import MappingProxyType
from typing import NamedTuple


class Command(NamedTuple):
    """A command of `kdistill`.

    usage: the words after its name
    summary: one line
    details: more lines of its own help
    module: of `kerneldistill.cli`, loaded when the command is called; its `execute` runs it, its `ARGUMENTS` are the
      dataclass that its words are read into
    """

    usage: str
    summary: str
    details: str
    module: str

    @property
    def description(self) -> str:
        """The text of the command's own help."""
        return f"{self.summary[0].upper()}{self.summary[1:]}.\n\n{self.details}"


COMMANDS = MappingProxyType(
    {
        "run": Command(
            "[PRESET]",
            "prepare the data, distil, evaluate and export: the whole way",
            "Prepared data and finished steps in the run directory are not made again; the same command resumes an "
            "interrupted run.\n\n"
            "examples:\n  kdistill run digits\n"
            "  kdistill run --data.dir ~/pets\n"
            "  kdistill run cifar10-fc1 --data.dir ~/tensorflow_datasets --optim.steps 1000 --dir runs/long",
            "run",
        ),
        "prepare": Command(
            "[PRESET]",
            "only read, whiten and store the data set, with Beam",
            "examples:\n  kdistill prepare digits\n"
            "  kdistill prepare --data.dir ~/pets --out ~/pets-prepared\n"
            "  kdistill prepare cifar10-convnet-1 --data.dir ~/tensorflow_datasets \\\n"
            "    --pipeline-options direct_num_workers=4 direct_running_mode=multi_processing",
            "run",
        ),
        "distill": Command(
            "[PRESET]",
            "only learn the images, from data that are prepared",
            "examples:\n  kdistill distill digits --optim.learning-rate 0.01 --dir runs/slow",
            "run",
        ),
        "label-solve": Command(
            "[PRESET]",
            "keep real images and solve for their labels: one step, closed form",
            "examples:\n  kdistill label-solve digits --support.size 50",
            "run",
        ),
        "evaluate": Command(
            "RUN|BUNDLE",
            "measure a learned set on the test split again, by its kernel or by named protocols",
            "Protocols: krr fits any kernel; the others train networks on the set: {protocols}; the quick ones are for "
            "two cores. Learning rate and weight decay are chosen on the validation split, beside the set stand random "
            "real images of the same number, and what is finished is kept: the same command again goes on.\n\n"
            "Networks: {networks}.\n\n"
            "examples:\n  kdistill evaluate runs/digits\n  kdistill evaluate runs/digits --protocol krr dc kip-quick\n"
            "  kdistill evaluate runs/digits --protocol dc --networks convnet-batch mlp resnet18 --seeds 10\n"
            "  kdistill evaluate runs/digits --protocol krr --networks same network=fc,depth=1,get=nngp\n"
            "  kdistill evaluate runs/digits/bundle --protocol krr dc --prepared runs/digits/prepared",
            "evaluate",
        ),
        "export": Command(
            "RUN|BUNDLE",
            "write the bundle of a run again, or a set in the formats of other programs",
            "Each format gets the images in its own space and the labels as it needs them; what that loses is measured "
            "by kernel ridge regression from what was written, and printed.\n\n"
            "formats:\n{formats}\n\n"
            "examples:\n  kdistill export runs/digits\n"
            "  kdistill export runs/digits --to kip dc mtt hf\n"
            "  kdistill export some/bundle --to all --prepared ~/prepared/cifar10 --tests 500 --out ~/exports",
            "export",
        ),
        "push": Command(
            "RUN|BUNDLE REPO",
            "give a set to the Hugging Face hub, with its card",
            "Gives what kdistill export --to hf writes, by huggingface_hub (extra [hub]) and the credentials that it "
            "finds: hf auth login, or HF_TOKEN.\n\n"
            "examples:\n  kdistill push runs/digits me/digits-distilled\n"
            "  kdistill push runs/digits me/digits-distilled --private",
            "push",
        ),
        "import": Command(
            "FILE",
            "read a set that another program published, as data alone, into a bundle",
            "Reads {formats}. No pickle is executed. Images are in a whitened space that such files do not hold: name "
            "the data prepared with it, or several, and that which the set predicts best on validation is taken.\n\n"
            "examples:\n  kdistill import best.npz --prepared ~/prepared/cifar10 --out ~/bundles/rfad\n"
            "  kdistill import best.npz --prepared ~/prepared/kip_zca ~/prepared/standard --out ~/bundles/rfad",
            "import_",
        ),
        "status": Command(
            "DIR...",
            "tell where runs stand: state, step, time left, best on validation, last error",
            "Reads files only: it does not disturb a run that goes on.\n\n"
            "examples:\n  kdistill status runs/digits\n  kdistill status runs/* --json",
            "status",
        ),
        "verify": Command(
            "DIR",
            "check a run directory, a bundle or a prepared data set: digests, arrays, counts, the whitening",
            "Prints a line for each problem; the exit status is then 2.\n\n"
            "examples:\n  kdistill verify runs/digits\n  kdistill verify runs/digits/bundle\n"
            "  kdistill verify gs://bucket/cifar10",
            "verify",
        ),
        "plan": Command(
            "[PRESET]",
            "tell what a run will take, before it runs: tiles, memory, operations, seconds",
            "What cannot fit into memory is refused before anything is compiled; run refuses it too. The data need not "
            "be prepared. A few seconds of real tiles are timed, but with --no-calibrate.\n\n"
            "examples:\n  kdistill plan digits\n"
            "  kdistill plan cifar10-convnet-1 --data.dir ~/tensorflow_datasets --support.size 500\n"
            "  kdistill plan digits --no-calibrate --json --devices 8 --memory 16GB",
            "plan",
        ),
        "report": Command(
            "RUN...",
            "show runs and bundles as one page: images, curves, scores, spectrum, confusion, certainty",
            "Writes one HTML file that needs nothing else, and a Markdown file with its pictures. Kernels with test "
            "images are computed once and kept in the run directory.\n\n"
            "examples:\n  kdistill report runs/digits\n"
            "  kdistill report runs/digits runs/digits-label-solve --out comparison.html\n"
            "  kdistill report runs/long --test-images 500",
            "report",
        ),
        "sweep": Command(
            "FILE.toml",
            "run every case of a file: data sets x networks x sizes x whitenings x ...",
            "Runs that are done are skipped, interrupted ones go on, and what fails is reported and does not stop the "
            "rest; the exit status is then 2. All runs are in one table, DIR/index.csv.\n\n"
            "a FILE.toml:\n"
            '  preset = "digits"\n'
            "  [set]                        # of every case\n"
            "  optim.steps = 40\n"
            "  [[grid]]                     # every combination; any number of grids\n"
            '  data.whiten = ["standard", "kip_zca"]\n'
            "  support.size = [10, 20]\n"
            "  [[case]]                     # one more\n"
            '  command = "label-solve"\n'
            "  support.size = 50\n\n"
            "examples:\n  kdistill sweep mine.toml\n  kdistill sweep mine.toml --dry-run --no-calibrate",
            "sweep",
        ),
        "cache": Command(
            "[ACTION]",
            "list what runs share on this machine, with its size, or remove it",
            "Runs of the same data and whitening share the prepared data, and all share compiled programs and measured "
            "speeds. What is removed is made again when it is needed. KERNELDISTILL_CACHE names the folder, "
            "KERNELDISTILL_PREPARED that of the data alone; an empty one shares nothing.\n\n"
            "examples:\n  kdistill cache\n  kdistill cache remove 3f9a\n  kdistill cache clear",
            "cache",
        ),
        "zoo": Command(
            "list|get",
            "list the learned sets that come with the package, or write one as a bundle",
            "examples:\n  kdistill zoo list\n  kdistill zoo get digits-1ipc --out bundles/digits",
            "zoo",
        ),
        "presets": Command(
            "[PRESET]",
            "list the presets, or print one as TOML to start a --config file from",
            "examples:\n  kdistill presets digits > mine.toml\n  kdistill run digits --config mine.toml",
            "presets",
        ),
        "completion": Command(
            "SHELL",
            "print what lets bash, zsh or fish complete commands, flags and values",
            "A new shell reads it when it starts.\n\n"
            "examples:\n  kdistill completion bash > ~/.local/share/bash-completion/completions/kdistill\n"
            '  kdistill completion zsh > "${fpath[1]}/_kdistill"\n'
            "  kdistill completion fish > ~/.config/fish/completions/kdistill.fish",
            "completion",
        ),
    }
)
