"""The kinds of source. To add one, write its module and add its row.

The module defines `open_source(config: DataConfig) -> Source` and `detects(path: epath.Path) -> bool`, which tells
whether a file or folder that is there is of its kind. It is imported when a source of its kind is opened.
"""

from typing import TYPE_CHECKING, Literal, NamedTuple


class Kind(NamedTuple):
    """A kind of source.

    module: in this package
    reads: what it reads, in words
    """

    module: str
    reads: str


# By the name that `DataConfig.source` has for it, in the order in which `detects` is asked.
SOURCES = {
    "tfds": Kind("tfds", "a folder of TFDS data sets"),
    "hf": Kind("hugging_face", "a data set of Hugging Face datasets on disk"),
    "npz": Kind("npz", "arrays in .npz or .npy files"),
    "csv": Kind("csv_list", "a CSV file of paths and labels"),
    "folder": Kind("folder", "pictures, one folder per class"),
}
# Takes the first kind that detects what `DataConfig.dir` names.
AUTO = "auto"
# Data sets that come with a library and need no `dir`, by the name that opens them in place of a TFDS data set.
BUILT_IN = {"digits": "digits"}

if TYPE_CHECKING:
    SourceKind = str
else:
    SourceKind = Literal[(AUTO, *SOURCES)]
