"""pipeline/README.md states the limits of every reader: those that the code has."""

import re
from pathlib import Path

import pytest

from kerneldistill.bundle.formats import flax_msgpack
from kerneldistill.bundle.untrusted import torch_pickle
from kerneldistill.pipeline.sources import array_files, classes, csv_list, image_decoding, pictures
from kerneldistill.pipeline.storage import manifest, shard
from kerneldistill.pipeline.untrusted import arrow_rows, limits, names
from kerneldistill.pipeline.whitening import whitener

README = Path(__file__).parents[3] / "pipeline/README.md"
MIB, GIB = 1 << 20, 1 << 30
# In the order of the table: the numbers in each row, bytes in units of the row.
STATED = {
    ".npz, .pt": (limits.MAX_BYTES / MIB, limits.MAX_MEMBERS, limits.FREE_RATIO_BYTES / MIB, limits.MAX_RATIO),
    "the pickle in a .pt": (limits.MAX_PICKLE_BYTES / MIB, torch_pickle._MAX_OPCODES, torch_pickle._MAX_TUPLES),
    "msgpack (FRePo)": (limits.MAX_BYTES / 2 / MIB, flax_msgpack._MAX_PARTS),
    "a distilled set in Parquet": (limits.MAX_BYTES / MIB, limits.MAX_IMAGES),
    "Parquet to prepare": (arrow_rows._MAX_GROUP / GIB, arrow_rows.MAX_PAGE / MIB),
    ".npz to prepare": (array_files.MAX_PACKED / GIB,),
    "array_record": (limits.MAX_BYTES / MIB,),
    "a prepared shard": (shard.MAX_SHRINKING,),
    "whitening": (whitener._MAX_BYTES / GIB,),
    "pictures": (pictures._MAX_BYTES / MIB, image_decoding.MAX_PIXELS, limits.MAX_SIDE),
    "a list (CSV)": (csv_list._MAX_BYTES / MIB, csv_list._MAX_FIELD),
    "images to prepare": (limits.MAX_PREPARED_SIDE, 32, limits.MAX_BATCH_BYTES / GIB, classes.MAX_CLASSES),
    "TFDS's JSON, bundles' JSON": (limits.MAX_PICKLE_BYTES / MIB,),
    "manifest of a prepared set": (manifest._MAX_BYTES / MIB,),
    "TOML": (limits.MAX_TOML_BYTES, limits.MAX_TOML_LINE),
    "names of data sets and classes": (names.MAX_NAME,),
}


@pytest.mark.parametrize("what", STATED)
def test_the_readme_states_the_limits_of_the_code(what: str) -> None:
    rows = dict(
        re.findall(r"^\| (.+?) \| (.+) \|$", README.read_text().split("## What a file may cost")[1], re.MULTILINE)
    )
    stated = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", rows[what])]
    assert sorted(stated) == sorted(STATED[what])
