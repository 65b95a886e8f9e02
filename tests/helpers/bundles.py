"""Small bundles for tests: random images of three classes, really whitened."""

from dataclasses import replace

import numpy as np

from kerneldistill.bundle.writer import BundleContents
from kerneldistill.config.presets import PRESETS
from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.whitening.whitener import Whitener
from tests.helpers.whiteners import fit_whitener

SHAPE = (6, 5, 3)
NAMES = ("ant", "bee", "cat")


def fitted(kind: str, pixels: np.ndarray) -> Whitener:
    """Fit a whitener of some kind to uint8 [n, h, w, c]; "blocks" is kip_zca of every pixel apart."""
    if kind == "blocks":
        return fit_whitener("kip_zca", pixels, block=1, fingerprint="fingerprint")
    return fit_whitener(kind, pixels, fingerprint="fingerprint")


def make_contents(kind: str = "standard", **changes: object) -> BundleContents:
    """Seven images of three classes, not in the order of their classes, whitened by `kind`."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (200, *SHAPE), dtype=np.uint8)
    whitener = fitted(kind, pixels)
    class_ids = np.array([2, 0, 1, 0, 2, 0, 1])
    starts = whitener.apply(pixels[:7])
    contents = BundleContents(
        images=starts.astype(np.float64) + rng.normal(size=starts.shape),
        labels=np.eye(3)[class_ids] - 1 / 3,
        class_ids=class_ids,
        init_indices=np.arange(100, 107),
        starts=starts,
        label_mode="fixed",
        step=12,
        results={"krr": {"test_accuracy": 0.5}},
        config=PRESETS["digits"],
        source=make_source(),
        whitener=whitener,
        probe=pixels[-8:],
    )
    return replace(contents, **changes)


def make_source() -> Manifest:
    """The manifest of a prepared data set that the images could come from."""
    return Manifest(
        name="tiny",
        version="1.0.0",
        source_format="array_record",
        image_shape=SHAPE,
        class_names=NAMES,
        class_counts={"train": (60, 60, 60), "validation": (5, 5, 5), "test": (9, 9, 9)},
        num_in=222,
        num_bad=0,
        shards=(),
        files=(),
        source_fingerprint="5" * 64,
        fingerprint="f" * 64,
        versions={},
        config=DataConfig(name="tiny", dir="somewhere"),
        pipeline_options=(),
    )
