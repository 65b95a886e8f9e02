"""The manifest of a bundle: where everything in it comes from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kerneldistill.algorithms.support import LabelMode
from kerneldistill.config.schema import KernelConfig
from kerneldistill.errors import UserError

# 1 had no `origin`, `augmented` and `flip`.
SCHEMA = 2


@dataclass(frozen=True)
class Evidence:
    """How well an imported set predicts validation images of one whitening.

    whiten: the whitening
    accuracy: of kernel ridge regression, 0..1
    images: validation images predicted
    """

    whiten: str
    accuracy: float
    images: int


@dataclass(frozen=True)
class Origin:
    """Where an imported set comes from.

    file: name of the file or folder
    sha256: hex digest of the file, or of the names and digests of the folder's files
    kind: the format, such as `npz of RFAD`
    layout: order of the axes in the file, NHWC or NCHW
    labels: what the labels in the file are
    space: what the images in the file are: whitened, normalised, or pixels
    evidence: of each whitening tried, where the whitening was inferred; empty where it was named
    """

    file: str
    sha256: str
    kind: str
    layout: str
    labels: str
    space: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class BundleManifest:
    """Where a bundle comes from.

    dataset: name of the source data set
    dataset_version: its version
    source_fingerprint: hex digest of its content
    fingerprint: hex digest of that and the preparation
    licence: of the source data, as far as known
    class_names: [k] names in label order
    kernel: the network, its kernel and its precision
    ridge: relative to the mean diagonal of the support's kernel
    support_size: images in all
    images_per_class: [k] images of each class
    label_mode: fixed, learned or label_solve
    step: outer steps done, as far as is known
    seed: of the run
    validation_seed: of the draw of the validation split
    dtypes: precision of the kernel, of the solve, and of the stored arrays
    config_sha256: of the run's configuration
    code_version: of kerneldistill
    jax_version: of jax
    files: sha256 of every other file, by name
    augmented: whether target images were augmented
    flip: whether the regression is from the images and their mirror images too
    origin: where an imported set comes from; None for one that was distilled here
    schema: version of this format
    """

    dataset: str
    dataset_version: str
    source_fingerprint: str
    fingerprint: str
    licence: str
    class_names: tuple[str, ...]
    kernel: KernelConfig
    ridge: float
    support_size: int
    images_per_class: tuple[int, ...]
    label_mode: LabelMode
    step: int
    seed: int
    validation_seed: int
    dtypes: Mapping[str, str]
    config_sha256: str
    code_version: str
    jax_version: str
    files: Mapping[str, str]
    augmented: bool = False
    flip: bool = False
    origin: Origin | None = None
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Return the manifest as JSON, with a digest of itself in front."""
        fields = asdict(self)
        return json.dumps({"digest": _digest(fields), **fields}, indent=2) + "\n"

    @classmethod
    def from_file(cls, file: Path) -> "BundleManifest":
        """Read a manifest.

        Raises:
          UserError: it is absent, damaged, or of another schema.
        """
        from pydantic import ConfigDict, TypeAdapter, ValidationError

        if not file.is_file():
            raise UserError(
                f"{file.parent} has no manifest.json, so no bundle of kerneldistill: give a folder it exported"
            )
        try:
            document = json.loads(file.read_bytes())
            digest, schema = document.pop("digest"), document["schema"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file} is damaged, it is no manifest: copy it again, or export it again") from error
        if schema not in range(1, SCHEMA + 1):
            raise UserError(
                f"{file} has schema {schema}, this version reads 1 to {SCHEMA}: use the version that wrote it"
            )
        if digest != _digest(document):
            raise UserError(f"{file} is damaged, its digest does not match: copy it again, or export it again")
        adapter = TypeAdapter(list[cls], config=ConfigDict(extra="forbid", strict=True))
        try:
            return adapter.validate_json(json.dumps([document]))[0]
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"][1:]))
            raise UserError(
                f"{file} is wrong at {place}: {error.errors()[0]['msg']}. Export the bundle again"
            ) from error


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
