"""The kinds of source. To add one, write its module and add its row.

The module defines `open_source(config: DataConfig) -> Source`, and is imported when a source of its kind is opened.
"""

from typing import TYPE_CHECKING, Literal

# Kind, as `DataConfig.source` names it, and module in this package.
SOURCES = {"tfds": "tfds", "folder": "folder", "npz": "npz"}
# Data sets that come with a library and need no `dir`, by the name that opens them in place of a TFDS data set.
BUILT_IN = {"digits": "digits"}

if TYPE_CHECKING:
    SourceKind = str
else:
    SourceKind = Literal[tuple(SOURCES)]
