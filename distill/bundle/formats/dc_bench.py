"""The folder that DC-BENCH reads its sets from, distilled_results/.

    KIP/DATASET/IPCn/kip_DATASET_{ConvNet3|ConvNet}_ssizeN_zca_nol_noaug_ckpt1000.npz    images NHWC, labels [n, k]
    TM/DATASET/IPCn/images_best.pt, labels_best.pt                                       images NCHW, labels int64

A set in KIP's ZCA of CIFAR-10 or CIFAR-100 is written as KIP's, whose name DC-BENCH has fixed, the number of steps and
the kind of labels included; it takes the largest label of each row. Any other set is written as TM's (MTT), normalised.
(justincui03/dc_benchmark, data_loader/kip_data_loader.py and tm_data_loader.py.)
"""

from dataclasses import replace
from pathlib import Path

from kerneldistill.bundle.formats import kip, mtt
from kerneldistill.bundle.formats.export_source import Copy, Exported, folder_of, nchw, together
from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.pipeline.storage.files import write_whole

_KIP_NETWORKS = {"cifar10": "ConvNet3", "cifar100": "ConvNet"}


def write(exported: Exported, folder: Path) -> tuple[Copy, ...]:
    """Writes the set where DC-BENCH looks for one of KIP, or of TM."""
    per_class = exported.per_class("dc-bench")
    place = Path(exported.foreign_name, f"IPC{per_class}")
    whitener = exported.bundle.whitener
    if kip.is_zca(whitener) and exported.name in _KIP_NETWORKS:
        network, size = _KIP_NETWORKS[exported.name], len(exported.bundle.images)
        name = f"kip_{exported.name}_{network}_ssize{size}_zca_nol_noaug_ckpt1000.npz"
        path = folder / "distilled_results" / "KIP" / place / name
        kip.write_npz(exported, whitener, path)
        taken = replace(kip.read(path), labels=exported.hard_labels)
        return (Copy(name, taken, whitener, exported.lost_labels()),)
    path = folder_of(folder / "distilled_results" / "TM" / place)
    space = exported.normalised
    write_whole(path / "images_best.pt", torch_bytes(nchw(exported.images_in(space)), "images_best"))
    write_whole(path / "labels_best.pt", torch_bytes(exported.hard_labels, "labels_best"))
    lost = together(exported.lost_space(space), exported.lost_labels())
    return (Copy(f"TM/{place}", mtt.read(path / "images_best.pt"), space, lost),)
