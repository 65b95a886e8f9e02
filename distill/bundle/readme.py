"""The README.md of a bundle."""

from kerneldistill.bundle.manifest import Origin
from kerneldistill.bundle.readme_code import NUMPY, predicting, training_flax, training_torch
from kerneldistill.config.schema import KernelConfig
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.titles import titled
from kerneldistill.pipeline.whitening.whitening import whitening_of
from kerneldistill.runtime.escapes import markdown

LABELS = {
    "fixed": "one-hot, minus 1 / classes",
    "learned": "learned with the images, from one-hot minus 1 / classes; they are no probabilities",
    "label_solve": "solved for in closed form (Label Solve), the images being real; they are no probabilities",
}


def readme(
    source: Manifest,
    size: int,
    label_mode: str,
    kind: str,
    kernel: KernelConfig,
    ridge: float,
    origin: Origin | None = None,
    flip: bool = False,
) -> str:
    """Return the text, for a set of `size` images distilled from `source` and whitened by `kind`, or imported."""
    classes = len(source.class_names)
    height, width, channels = source.image_shape
    began = "`class_ids` (the class each began in)\nand `init_indices` (the row of the training split it was, or -1)"
    notes = "Regress from the images and their mirror images, with the same labels.\n" if flip else ""
    if origin is not None:
        began = "`class_ids` (the class of its largest label)\nand `init_indices` (-1: what it began as is not known)"
        file, kind_of_file = markdown(origin.file), markdown(origin.kind)
        notes = f"The set was not distilled here: it is that of {file} ({kind_of_file}), imported.\n"
    return f"""# {size} images distilled from {markdown(titled(source.name, source.version))}

`support.npz` holds `images` float32 [{size}, {height}, {width}, {channels}], `labels` float32 \
[{size}, {classes}] ({LABELS[label_mode]}), {began}. Rows are class-major.
{notes}`manifest.json` says where all of it comes from, `results.json` what it reaches, `support.png` how it looks.

The images live in a whitened space, `{kind}`: {whitening_of(kind).summary}.
**Whiten your own images with `transform.npz` before you use them with these**; images whitened in another way are
another space, and a set evaluated there is near chance. `probe.npz` has raw test images and the same whitened, to
check that your code does it right. `W_inv` and the means in `transform.npz` lead back to pixels.

Run these in this folder.

## kerneldistill

Kernel ridge regression with the {"exact kernel" if kernel.encoder is None else "encoder"} they were learned by:

```python
{predicting(kernel, ridge, flip)}```

## numpy

The whitening alone, without this program:

```python
{NUMPY}```

## torch

```python
{training_torch(channels, classes)}```

## flax

```python
{training_flax(classes)}```
"""
