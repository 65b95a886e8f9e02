"""The folder that DC-BENCH reads its sets from, distilled_results/.

    KIP/DATASET/IPCn/kip_DATASET_{ConvNet3|ConvNet}_ssizeN_zca_nol_noaug_ckpt1000.npz    images NHWC, labels [n, k]
    TM/DATASET/IPCn/images_best.pt, labels_best.pt                                       images NCHW, labels int64

A set in KIP's ZCA of CIFAR-10 or CIFAR-100 is written as KIP's, whose name DC-BENCH has fixed, the number of steps and
the kind of labels included; it takes the largest label of each row. Any other set is written as TM's (MTT), normalised.
(justincui03/dc_benchmark, data_loader/kip_data_loader.py and tm_data_loader.py.)
"""

from dataclasses import replace
from pathlib import Path

from kerneldistill.bundle.formats import kip_release, mtt, npz_sets
from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack, nchw, together
from kerneldistill.bundle.formats.torch_archive import torch_bytes
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.untrusted.names import below

_KIP_NETWORKS = {"cifar10": "ConvNet3", "cifar100": "ConvNet"}


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the set where DC-BENCH looks for one of KIP, or of TM."""
    per_class = source.per_class("dc-bench")
    place = Path(source.foreign_name, f"IPC{per_class}")
    whitener = source.bundle.whitener
    if kip_release.is_zca(whitener) and source.name in _KIP_NETWORKS:
        network, size = _KIP_NETWORKS[source.name], len(source.bundle.images)
        name = f"kip_{source.name}_{network}_ssize{size}_zca_nol_noaug_ckpt1000.npz"
        path = below(folder, "distilled_results", "KIP", *place.parts, name)
        kip_release.write_npz(source, whitener, path)
        taken = replace(npz_sets.read(path), labels=source.bundle.labels.argmax(axis=1))
        return (ReadBack(name, taken, whitener, source.lost_labels("their largest class")),)
    source = source.class_major
    path = below(folder, "distilled_results", "TM", *place.parts, "images_best.pt").parent
    space = source.normalised
    write_whole(path / "images_best.pt", torch_bytes(nchw(source.images_in(space)), "images_best"))
    write_whole(path / "labels_best.pt", torch_bytes(source.hard_labels, "labels_best"))
    lost = together(source.lost_space(space), source.lost_labels())
    return (ReadBack(f"TM/{place}", mtt.read(path / "images_best.pt"), space, lost),)
