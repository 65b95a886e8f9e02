"""Every format of other programs: a row here and a module beside this one, which holds all else.

A module has what its row says: `write` where the row has `writes`, `read` and `detects` where it has `reads`; `Writer`
and `Reader` are their signatures. The help of `kdistill export` and `kdistill import` is made from the rows.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from kerneldistill.config.assignments import named
from kerneldistill.config.nearest import offered
from kerneldistill.errors import UserError

if TYPE_CHECKING:
    from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
    from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout


class Writer(Protocol):
    """A module that writes a format."""

    def write(self, source: "ExportSource", folder: Path) -> "tuple[ReadBack, ...]":
        """Write a set into a folder that exists; return each way in which another program reads it back.

        Raises:
          UserError: the format cannot hold this set.
        """
        ...


class Reader(Protocol):
    """A module that reads a format, as data alone: its files are strangers'."""

    def detects(self, path: Path, head: bytes) -> bool:
        """Return whether a file with the first bytes `head`, or a folder, is of this format.

        Rows are asked in order, so a later format need not exclude an earlier one. What is raised counts as damage.
        """
        ...

    def read(self, path: Path, layout: "Layout | None" = None) -> "ForeignSet":
        """Read the set.

        Raises:
          UserError: it holds something else than such a set.
        """
        ...


class Format(NamedTuple):
    """A format.

    module: of `kerneldistill.bundle.formats`, loaded when the format is used
    writes: what is written, for help; empty where nothing writes it
    reads: what is read, for help; empty where it is only written
    grows: files that keep what earlier exports wrote there; where there are any, so may the folder
    """

    module: str
    writes: str = ""
    reads: str = ""
    grows: tuple[str, ...] = ()

    @property
    def writer(self) -> Writer:
        """The module, to write with."""
        return cast(Writer, import_module(f"kerneldistill.bundle.formats.{self.module}"))

    @property
    def reader(self) -> Reader:
        """The module, to read with."""
        return cast(Reader, import_module(f"kerneldistill.bundle.formats.{self.module}"))


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "kip": Format(
            "kip_release",
            writes="KIP's release: an .npz by its name there, and a row of kip.csv or ls.csv",
            grows=("kip/kip.csv", "ls/ls.csv"),
        ),
        "dc-bench": Format(
            "dc_bench", writes="DC-BENCH's distilled_results/, as KIP's or TM's", grows=("distilled_results",)
        ),
        "dc": Format("dc", writes="the .pt of DC, DSA and DM", reads=".pt of DC, DSA and DM"),
        "mtt": Format(
            "mtt",
            writes="MTT's images_best.pt and labels_best.pt, labels as class numbers",
            reads="images_best.pt of MTT and DATM, labels beside it",
        ),
        "datm": Format("datm", writes="DATM's, with soft labels and lr_best.pt"),
        "dd-ranking": Format("dd_ranking", writes="DD-Ranking's images.pt, labels.pt, lr.pt and a config.yaml for it"),
        "hf": Format(
            "hugging_face", writes="a parquet and a card for the Hugging Face hub", reads="the parquet of export"
        ),
        "imagefolder": Format(
            "image_folder", writes="a folder of PNG for each class", reads="the PNG folders of export"
        ),
        # TFDS is not read from strangers: the description of such a folder names Python classes, which TFDS imports.
        "tfds": Format("tfds_export", writes="a TFDS data set in array_record files"),
        "png": Format("sheet_png", writes="the contact sheet"),
        "npz": Format("npz_sets", reads=".npz of KIP, RFAD and FRePo"),
        # Last: msgpack has no mark by which its files are known.
        "flax": Format("flax_msgpack", reads="checkpoints of FRePo and RCIG"),
    }
)
WRITTEN = tuple(name for name, row in FORMATS.items() if row.writes)
READ = tuple(name for name, row in FORMATS.items() if row.reads)


def formats_named(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the formats of `--to`: names, or `all`.

    Raises:
      UserError: there is no such format.
    """
    names = tuple(named(texts))
    for name in names:
        if name not in ("all", *WRITTEN):
            raise UserError(f"--to has {name!r}, {offered(name, ('all', *WRITTEN))}")
    if not names:
        raise UserError(f"--to has no format, allowed are all, or some of: {', '.join(WRITTEN)}")
    return WRITTEN if "all" in names else tuple(dict.fromkeys(names))


def what_is_written() -> Mapping[str, str]:
    """Return what each format writes, in words, by name."""
    return {name: FORMATS[name].writes for name in WRITTEN}


def what_is_read() -> str:
    """Return what can be read, in words."""
    *most, last = (FORMATS[name].reads for name in READ)
    return f"{', '.join(most)}, and {last}"
