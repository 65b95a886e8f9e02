"""A TFDS data set in array_record files: `tfds.builder_from_directory(FOLDER/NAME/1.0.0)` reads it, without TensorFlow.

    image         PNG of the pixels, 8 bits
    label         class of the largest label
    whitened      float32 [h, w, c] the image as it was learned: nothing is lost here
    soft_label    float32 [k] the labels as they were learned
    transform.npz, in the folder: the whitening that `whitened` lives in, and its inverse

Rows are in the order of the bundle. array_record has a checksum on every chunk.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerneldistill.bundle.formats.export_source import ExportSource, ReadBack
from kerneldistill.bundle.formats.foreign_set import ForeignSet, Layout, foreign_set
from kerneldistill.bundle.formats.png import png
from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.limits import MAX_IMAGES

VERSION = "1.0.0"


def write(source: ExportSource, folder: Path) -> tuple[ReadBack, ...]:
    """Prepare the data set with TFDS, in array_record files."""
    import tensorflow_datasets as tfds

    source.check_channels("tfds")
    builder = _builder_class(tfds, source)(data_dir=str(folder), file_format="array_record", version=VERSION)
    # TFDS tells of its progress on standard output, which is that of the results here.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    place = folder / builder.name / VERSION
    source.bundle.whitener.save(place / "transform.npz")
    return (
        ReadBack("feature whitened", read(place), source.bundle.whitener, ""),
        ReadBack("feature image", read(place, features=("image", "label")), source.normalised, source.lost_bits()),
    )


def read(
    folder: Path, layout: Layout | None = None, features: tuple[str, str] = ("whitened", "soft_label")
) -> ForeignSet:
    """Read the split `train` of such a data set.

    Args:
      folder: of its version.
      layout: of no use: TFDS has channels last.
      features: names of the images and of the labels.

    Raises:
      UserError: it has no such features, or too many examples.
    """
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(str(folder))
    missing = {*features} - {*builder.info.features}
    if missing:
        raise UserError(f"{folder} has no feature {sorted(missing)[0]!r}: it is no set that kerneldistill exported")
    if builder.info.splits["train"].num_examples > MAX_IMAGES:
        raise UserError(f"{folder} has more than {MAX_IMAGES:,} examples, so it is no distilled set")
    rows = list(builder.as_data_source(split="train"))
    images, labels = (np.stack([row[name] for row in rows]) for name in features)
    return foreign_set(f"TFDS, feature {features[0]}", images, labels, "NHWC")


def _tfds_name(source: ExportSource) -> str:
    """Return the name of the data set as TFDS allows it, which makes a folder of it."""
    name = re.sub(r"[^a-z0-9_]", "_", source.file_name.lower())
    return name if name[0].isalpha() else f"set_{name}"


def _builder_class(tfds: Any, source: ExportSource) -> type:
    """Return a builder class of this set alone, which TFDS's registry of names never sees."""
    bundle = source.bundle
    height, width, channels = bundle.whitener.image_shape
    features = {
        "image": tfds.features.Image(shape=(height, width, channels), encoding_format="png"),
        "label": tfds.features.ClassLabel(names=list(bundle.manifest.class_names)),
        "whitened": tfds.features.Tensor(shape=(height, width, channels), dtype=np.float32),
        "soft_label": tfds.features.Tensor(shape=(bundle.labels.shape[1],), dtype=np.float32),
    }

    def info(builder: Any) -> Any:
        return tfds.core.DatasetInfo(
            builder=builder,
            description=f"{bundle.manifest.dataset} distilled to {len(bundle.images)} images by kerneldistill.",
            license=bundle.manifest.licence,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            disable_shuffling=True,
        )

    def examples(builder: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        columns = zip(source.bytes, source.hard_labels, bundle.images, bundle.labels, strict=True)
        for index, (pixels, label, whitened, soft) in enumerate(columns):
            yield index, {"image": io.BytesIO(png(pixels)), "label": label, "whitened": whitened, "soft_label": soft}

    body = {
        "VERSION": tfds.core.Version(VERSION),
        "name": f"{_tfds_name(source)}_distilled_{len(bundle.images)}",
        "pkg_dir_path": None,
        "_info": info,
        "_split_generators": lambda builder, manager: {"train": builder._generate_examples()},
        "_generate_examples": examples,
    }
    with tfds.core.registered.skip_registration():
        return type("DistilledSet", (tfds.core.GeneratorBasedBuilder,), body)
