"""What commands say of what they found, in one line."""

from kerneldistill.pipeline.storage.manifest import Manifest


def data_line(path: str, manifest: Manifest) -> str:
    """A prepared data set in one line."""
    counts = ", ".join(f"{manifest.count(split):,} {split}" for split in manifest.class_counts)
    shape = "x".join(map(str, manifest.image_shape))
    whitened = f"whitened by {manifest.config.whiten!r}"
    return f"{path}: {manifest.name} {manifest.version}, {counts} images of {shape}, {whitened}, {manifest.num_bad} bad"
