"""Every format that a bundle is exported to: what it is, and the module that writes it."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from kerneldistill.bundle.formats.export_source import Copy, Exported
from kerneldistill.errors import UserError


class Format(NamedTuple):
    """A format.

    summary: what is written, for `kdistill export --help`
    module: of `kerneldistill.bundle.formats`, loaded when the format is asked for
    function: of the module, that writes it
    grows: files that keep what earlier exports wrote there; where there are any, so may the folder
    """

    summary: str
    module: str
    function: str = "write"
    grows: tuple[str, ...] = ()

    def write(self, exported: Exported, folder: Path) -> tuple[Copy, ...]:
        """Writes a set into a folder that exists; gives the ways in which it is read back."""
        writer: Callable[[Exported, Path], tuple[Copy, ...]] = getattr(
            import_module(f"kerneldistill.bundle.formats.{self.module}"), self.function
        )
        return writer(exported, folder)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "kip": Format(
            "KIP's release: an .npz by its name there, and a row of kip.csv or ls.csv",
            "kip",
            grows=("kip/kip.csv", "ls/ls.csv"),
        ),
        "dc-bench": Format("DC-BENCH's distilled_results/, as KIP's or TM's", "dc_bench", grows=("distilled_results",)),
        "dc": Format("the .pt of DC, DSA and DM", "dc"),
        "mtt": Format("MTT's images_best.pt and labels_best.pt, labels as class numbers", "mtt"),
        "datm": Format("DATM's, with soft labels and lr_best.pt", "mtt", "write_datm"),
        "dd-ranking": Format("DD-Ranking's images.pt, labels.pt, lr.pt and a config.yaml for it", "dd_ranking"),
        "imagefolder": Format("a folder of PNG for each class", "image_folder"),
        "hf": Format("a parquet and a card for the Hugging Face hub", "hugging_face"),
        "tfds": Format("a TFDS data set in array_record files", "tfds"),
        "png": Format("the contact sheet", "png_sheet"),
    }
)


def formats_named(text: str) -> tuple[str, ...]:
    """The formats of `--to`, names joined by commas, or `all`.

    Raises:
      UserError: there is no such format.
    """
    names = tuple(FORMATS) if text == "all" else tuple(filter(None, (name.strip() for name in text.split(","))))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise UserError(f"--to is {text!r}, allowed are all, or names joined by commas: {', '.join(FORMATS)}")
    return tuple(dict.fromkeys(names))
