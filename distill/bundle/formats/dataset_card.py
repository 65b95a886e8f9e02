"""The data set card of a Hugging Face folder: YAML in front, then a text for people."""

import yaml

from kerneldistill.bundle.formats.export_source import ExportSource
from kerneldistill.bundle.readme import LABELS
from kerneldistill.pipeline.titles import titled
from kerneldistill.pipeline.whitening.whitening import whitening_of
from kerneldistill.runtime.escapes import markdown
from kerneldistill.runtime.text import percent

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))


def card(source: ExportSource) -> str:
    """Return the README.md of a set."""
    manifest, whitener = source.bundle.manifest, source.bundle.whitener
    size, shape, whitening = len(source.bundle.images), whitener.image_shape, whitening_of(whitener.kind)
    category = next((name for most, name in _SIZES if size < most), "100K<n<1M")
    measured = source.bundle.results.get("learned", {})
    accuracy = percent(measured.get("accuracy", 0.0))
    reached = f"Kernel ridge regression from it reaches {accuracy} on test. " if measured else ""
    front = {
        "pretty_name": f"{manifest.dataset}, distilled to {size} images",
        "license": "other",
        "license_name": "that-of-the-source-data",
        "task_categories": ["image-classification"],
        "size_categories": [category],
        "tags": ["dataset-distillation"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*"}]}],
    }
    return f"""---
{yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10_000)}---

# {markdown(titled(manifest.dataset, manifest.dataset_version))}, distilled to {size} images

{reached}Made by kerneldistill {markdown(manifest.code_version)}.

| column | what it is |
|---|---|
| `image` | the pixels, 8 bits a channel, clipped: to look at |
| `label` | class of the largest label, in the order of the class names |
| `whitened` | float32 {list(shape)} flattened: the image as it was learned. **Train on this** |
| `soft_label` | float32 [{len(manifest.class_names)}], {LABELS[manifest.label_mode]} |

`whitened` lives in the space `{whitener.kind}`: {whitening.summary}. Whiten your test images with `transform.npz`
before you use them with it; images whitened in another way are another space.

Licence of the source data: {markdown(manifest.licence)}
"""
