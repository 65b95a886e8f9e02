"""The result file of DC, DSA and DM: one .pt with a dictionary.

    res_DC_DATASET_ConvNet_IPCipc.pt
      data            list of [images float32 NCHW, labels int64 [n]]; the last one counts
      accs_all_exps   accuracies by network, one per evaluation

Images are normalised by the constants of that code, class-major. (VICO-UoE/DatasetCondensation, main.py and utils.py;
DC-BENCH reads the same, data_loader/dc_data_loader.py.)
"""

from pathlib import Path

import numpy as np

from kerneldistill.bundle.formats.export_source import Copy, Exported, nchw, together
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.bundle.untrusted.torch_file import read_torch
from kerneldistill.errors import UserError
from kerneldistill.pipeline.storage.files import write_whole

METHOD, NETWORK = "DC", "ConvNet"


def write(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes the result file. `accs_all_exps` is empty: no network was trained."""
    name = f"res_{METHOD}_{exported.foreign_name}_{NETWORK}_{exported.per_class('dc')}ipc"
    images = nchw(exported.images_in(exported.normalised))
    value = {"data": [[images, exported.hard_labels]], "accs_all_exps": {NETWORK: []}}
    path = folder / f"{name}.pt"
    write_whole(path, torch_bytes(value, name))
    lost = together(exported.lost_space(exported.normalised), exported.lost_labels())
    return (Copy(path.name, read(path), exported.normalised, lost),)


def read(path: Path, layout: Layout | None = None) -> ForeignSet:
    """Reads the last set of a result file.

    Raises:
      UserError: it holds no images and labels, or more than data.
    """
    return set_in(read_torch(path), path, layout)


def set_in(value: object, path: Path, layout: Layout | None) -> ForeignSet:
    """The set in the value of a result file."""
    data = value.get("data") if isinstance(value, dict) else None
    last = data[-1] if isinstance(data, list) and data else None
    if not (isinstance(last, list) and len(last) == 2 and all(isinstance(part, np.ndarray) for part in last)):
        raise UserError(f"{path} holds no list `data` of [images, labels], so no result of DC, DSA or DM")
    # torch has channels first.
    return foreign_set("result of DC", *last, layout or "NCHW")
