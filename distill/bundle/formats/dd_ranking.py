"""A folder that DD-Ranking can be run on: images.pt, labels.pt, lr.pt and a configuration.

    images.pt     float32 NCHW, class-major, equally many of each class: it makes hard labels from that order itself
    labels.pt     float32 [n, k] soft labels, of which its `sce` takes the softmax (mode S: one for each image)
    lr.pt         the learning rate
    config.yaml   of its soft-label metric, with the lines that run it

Version 0.2.0 keeps no accuracy of a ConvNet on the whole train split, so `eval_full_data` is true, and its soft metric
stops at two mistakes of its own, which those lines mend. Its test images are normalised by constants in its code, or in
kornia's ZCA with `use_zca: true`; it has no other whitening, so a set in KIP's is taken back to pixels first.
(NUS-HPC-AI-Lab/DD-Ranking 0.2.0, demo_soft.py, configs/.)
"""

from pathlib import Path

import numpy as np
import yaml

from kerneldistill.bundle.formats import mtt
from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
from kerneldistill.pipeline.storage.files import write_whole
from kerneldistill.pipeline.whitening.whitening import whitening_of

# Of DD-Ranking's soft-label metric, with the values of its own example for ConvNet-3 and CIFAR-10.
_CONFIG = """\
# import torch
# from ddranking.config import Config
# from ddranking.metrics import LabelRobustScoreSoft, soft_label
# # A teacher labels random images: a state_dict at teacher_models/DATASET/ConvNet-3/ckpt_best.pt
# metric = LabelRobustScoreSoft(Config.from_file("config.yaml"))
# # Version 0.2.0 reads its teacher by a name that it does not set, and draws random images without their classes.
# metric.teacher_model, drawn = metric.teacher_models[0], soft_label.get_random_data_tensors
# soft_label.get_random_data_tensors = lambda *given: drawn(*given[:4], metric.class_map, *given[4:])
# images, labels, rate = torch.load("images.pt"), torch.load("labels.pt"), torch.load("lr.pt")
# scores = metric.compute_metrics(image_tensor=images, soft_labels=labels, syn_lr=rate)

# real data
dataset: {dataset}
real_data_path: ./dataset/

# synthetic data
ipc: {per_class}
im_size: [{height}, {width}]

# agent model
model_name: ConvNet-3
stu_use_torchvision: false
tea_use_torchvision: false
teacher_dir: ./teacher_models
teacher_model_names: [ConvNet-3]

# data augmentation
data_aug_func: dsa
aug_params:
  flip: 0.5
  rotate: 15.0
  saturation: 2.0
  brightness: 1.0
  contrast: 0.5
  scale: 1.2
  crop: 0.125
  cutout: 0.5
use_zca: {zca}
use_aug_for_hard: true
custom_train_trans: null
custom_val_trans: null

# soft labels
soft_label_mode: S
soft_label_criterion: sce
loss_fn_kwargs:
  temperature: 1.0
  scale_loss: false

# training
optimizer: sgd
lr_scheduler: step
step_size: 500
weight_decay: 0.0005
momentum: 0.9
num_eval: 5
num_epochs: 1000
default_lr: {rate}
num_workers: 4
device: cuda
dist: false
eval_full_data: true
syn_batch_size: 256
real_batch_size: 256
random_data_path: ./random_data
random_data_format: tensor
save_path: ./results/scores.csv
"""


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Write the four files."""
    source = source.class_major
    config = _config(source, source.per_class("dd-ranking"))
    rate = np.array(mtt.LEARNING_RATE, np.float32)
    images = mtt.write_tensors(source, folder, {"labels": source.soft_labels, "lr": rate}, images="images")
    write_whole(folder / "config.yaml", config.encode())
    lost = source.lost_space(source.torch_space)
    return (ReadBack("images.pt, labels.pt", mtt.read(images), source.torch_space, lost),)


def _config(source: ExportSource, per_class: int) -> str:
    height, width, _ = source.bundle.whitener.image_shape
    zca = whitening_of(source.torch_space.kind).is_zca
    return _CONFIG.format(
        dataset=yaml.safe_dump(source.foreign_name, default_style='"').strip(),
        per_class=per_class,
        height=height,
        width=width,
        zca=str(zca).lower(),
        rate=mtt.LEARNING_RATE,
    )
