"""The README.md of a bundle."""

from kerneldistill.bundle.manifest import Origin
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.whitening.whitening import whitening_of
from kerneldistill.runtime.escapes import markdown

# `Whitener.apply`, written out so that numpy alone can do it; the probe shows that it does.
NUMPY = """\
import numpy as np

support, t, probe = (dict(np.load(name)) for name in ("support.npz", "transform.npz", "probe.npz"))
images, labels = support["images"], support["labels"]

def whiten(pixels):  # [n, h, w, c], 0..255
    x = ((pixels / t["input_scale"] - t["channel_mean"]) / t["channel_std"]).reshape(len(pixels), -1)
    if t["per_image_norm"]:
        x = x - x.mean(axis=1, keepdims=True)
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6 * x.shape[1] ** 0.5)
    if t["W"].ndim == 3:  # blocks of the image, whitened apart
        (h, w, c), b = pixels.shape[1:], int(t["block"])
        x = (x - t["feature_mean"]).reshape(-1, h // b, b, w // b, b, c).transpose(1, 3, 0, 2, 4, 5)
        x = x.reshape(len(t["W"]), len(pixels), -1) @ t["W"]
        x = x.reshape(h // b, w // b, -1, b, b, c).transpose(2, 0, 3, 1, 4, 5)
    elif t["W"].size:
        x = (x - t["feature_mean"]) @ t["W"]
    return x.reshape(pixels.shape).astype(np.float32)

assert np.allclose(whiten(probe["raw"]), probe["transformed"], atol=1e-3)
"""

JAX = """\
import jax.numpy as jnp
import numpy as np

support, probe = dict(np.load("support.npz")), dict(np.load("probe.npz"))
images, labels = jnp.asarray(support["images"]), jnp.asarray(support["labels"])

def kernel(a, b):  # put the kernel of manifest.json here; this is the linear one
    return a.reshape(len(a), -1) @ b.reshape(len(b), -1).T / a[0].size

k_ss = kernel(images, images)
weights = jnp.linalg.solve(k_ss + 1e-3 * k_ss.trace() / len(k_ss) * jnp.eye(len(k_ss), dtype=k_ss.dtype), labels)
predicted = jnp.argmax(kernel(jnp.asarray(probe["transformed"]), images) @ weights, axis=1)
"""

TORCH = """\
import numpy as np
import torch

support = dict(np.load("support.npz"))
images = torch.from_numpy(support["images"]).permute(0, 3, 1, 2).contiguous()  # NCHW
labels = torch.from_numpy(support["labels"])  # centred; for cross-entropy use class_ids
class_ids = torch.from_numpy(support["class_ids"]).long()
dataset = torch.utils.data.TensorDataset(images, labels)
loader = torch.utils.data.DataLoader(dataset, batch_size=len(dataset))
"""

LABELS = {
    "fixed": "one-hot, minus 1 / classes",
    "learned": "learned with the images, from one-hot minus 1 / classes; they are no probabilities",
    "label_solve": "solved for in closed form (Label Solve), the images being real; they are no probabilities",
}


def readme(
    source: Manifest, size: int, label_mode: str, kind: str, origin: Origin | None = None, flip: bool = False
) -> str:
    """Return the text, for a set of `size` images distilled from `source` and whitened by `kind`, or imported."""
    height, width, channels = source.image_shape
    began = "`class_ids` (the class each began in)\nand `init_indices` (the row of the training split it was, or -1)"
    notes = "Regress from the images and their mirror images, with the same labels.\n" if flip else ""
    if origin is not None:
        began = "`class_ids` (the class of its largest label)\nand `init_indices` (-1: what it began as is not known)"
        file, kind_of_file = markdown(origin.file), markdown(origin.kind)
        notes = f"The set was not distilled here: it is that of {file} ({kind_of_file}), imported.\n"
    return f"""# {size} images distilled from {markdown(f"{source.name} {source.version}")}

`support.npz` holds `images` float32 [{size}, {height}, {width}, {channels}], `labels` float32 \
[{size}, {len(source.class_names)}] ({LABELS[label_mode]}), {began}. Rows are class-major.
{notes}`manifest.json` says where all of it comes from, `results.json` what it reaches, `support.png` how it looks.

The images live in a whitened space, `{kind}`: {whitening_of(kind).summary}.
**Whiten your own images with `transform.npz` before you use them with these**; images whitened in another way are
another space, and a set evaluated there is near chance. `probe.npz` has raw test images and the same whitened, to
check that your code does it right. `W_inv` and the means in `transform.npz` lead back to pixels.

Run these in this folder.

## numpy

```python
{NUMPY}```

## JAX

```python
{JAX}```

## torch

```python
{TORCH}```
"""
