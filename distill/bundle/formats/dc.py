"""The result file of DC, DSA and DM: one .pt with a dictionary.

    res_DC_DATASET_ConvNet_IPCipc.pt
      data            list of [images float32 NCHW, labels int64 [n]]; the last one counts
      accs_all_exps   accuracies by network, one per evaluation

Images are normalised by the constants of that code, class-major. (VICO-UoE/DatasetCondensation, main.py and utils.py;
DC-BENCH reads the same, data_loader/dc_data_loader.py.)
"""

from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack, nchw, together
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.bundle.untrusted.torch_file import is_torch, read_torch, torch_type
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.untrusted.names import below

METHOD, NETWORK = "DC", "ConvNet"


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the result file. `accs_all_exps` is empty: no network was trained."""
    source = source.class_major
    name = f"res_{METHOD}_{source.foreign_name}_{NETWORK}_{source.per_class('dc')}ipc"
    images = nchw(source.images_in(source.normalised))
    value = {"data": [[images, source.hard_labels]], "accs_all_exps": {NETWORK: []}}
    path = below(folder, f"{name}.pt")
    write_whole(path, torch_bytes(value, name))
    lost = together(source.lost_space(source.normalised), source.lost_labels())
    return (ReadBack(path.name, read(path), source.normalised, lost),)


def detects(path: Path, head: bytes) -> bool:
    """Return whether a file is a .pt of a dictionary."""
    return head[:2] == b"PK" and is_torch(path) and torch_type(path) is dict


def read(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Read the last set of a result file.

    Raises:
      UserError: it holds no images and labels, or more than data.
    """
    value = read_torch(path)
    data = value.get("data") if isinstance(value, dict) else None
    last = data[-1] if isinstance(data, list) and data else None
    if not (isinstance(last, list) and len(last) == 2 and all(isinstance(part, np.ndarray) for part in last)):
        raise UserError(f"{path} holds no list `data` of [images, labels], so no result of DC, DSA or DM")
    # torch has channels first.
    return foreign_set("result of DC", last[0], last[1], layout or "NCHW")
