"""The manifest of a bundle: where everything in it comes from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval, Len

from kerneldistill.algorithms.support import LabelMode
from kerneldistill.bundle.encoder_record import EncoderRecord
from kerneldistill.config.marks import Count, Fraction, Seed
from kerneldistill.config.schema import KernelConfig
from kerneldistill.config.validation import check_kernel
from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.document import read_as, read_json
from kerneldistill.pipeline.untrusted.file import read_bounded
from kerneldistill.pipeline.untrusted.limits import MAX_IMAGES, MAX_PICKLE_BYTES
from kerneldistill.pipeline.untrusted.names import Digest, Name, Names, Text, Whole

# 1 had no `origin`, `augmented` and `flip`; 2 no `train_images`; 3 no `encoder`.
SCHEMA = 4
_AGAIN = "copy it again, or export it again"

Size = Annotated[int, Interval(ge=1, le=MAX_IMAGES)]


@dataclass(frozen=True)
class Evidence:
    """How well an imported set predicts validation images of one whitening.

    whiten: the whitening
    accuracy: of kernel ridge regression, 0..1
    images: validation images predicted
    """

    whiten: Name
    accuracy: Fraction
    images: Count


@dataclass(frozen=True)
class Origin:
    """Where an imported set comes from.

    file: name of the file or folder
    sha256: hex digest of the file, or of the names and digests of the folder's files
    kind: the format, such as `npz of RFAD`
    layout: order of the axes in the file, NHWC or NCHW
    labels: what the labels in the file are
    space: what the images in the file are: whitened, normalised, or pixels
    evidence: of each whitening tried; one where the whitening was named
    """

    file: Text
    sha256: Digest
    kind: Name
    layout: Name
    labels: Name
    space: Name
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class BundleManifest:
    """Where a bundle comes from. The types hold what is allowed: a stranger may have written it.

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
    train_images: images of the training split, which `init_indices` count; None where that is not known
    encoder: whose features the set was learned on; None where the kernel is that of a network
    schema: version of this format
    """

    dataset: Name
    dataset_version: Name
    source_fingerprint: Name
    fingerprint: Name
    licence: Text
    class_names: Annotated[Names, Len(1)]
    kernel: KernelConfig
    ridge: Annotated[float, Interval(ge=0, le=1e9)]
    support_size: Size
    images_per_class: tuple[Annotated[int, Interval(ge=0, le=MAX_IMAGES)], ...]
    label_mode: LabelMode
    step: Whole
    seed: Seed
    validation_seed: Annotated[int, Interval(ge=0, lt=2**63)]
    dtypes: Annotated[Mapping[Name, Name], Len(0, 10)]
    config_sha256: Digest
    code_version: Name
    jax_version: Name
    files: Annotated[Mapping[Name, Digest], Len(0, 100)]
    augmented: bool = False
    flip: bool = False
    origin: Origin | None = None
    train_images: Count | None = None
    encoder: EncoderRecord | None = None
    schema: Annotated[int, Interval(ge=1, le=SCHEMA)] = SCHEMA

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
        if not file.is_file():
            raise UserError(
                f"{file.parent} has no manifest.json, so no bundle of kerneldistill: give a folder it exported"
            )
        return cls.from_json(read_bounded(file, MAX_PICKLE_BYTES), str(file))

    @classmethod
    def from_json(cls, content: bytes, file: str) -> "BundleManifest":
        """Read what `to_json` gave, from `file`.

        Raises:
          UserError: it is damaged, or of another schema.
        """
        document = read_json(content, file)
        try:
            digest, schema = document.pop("digest"), document["schema"]
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file} is damaged, it is no manifest: {_AGAIN}") from error
        if schema not in range(1, SCHEMA + 1):
            raise UserError(
                f"{file} has schema {schema!r:.20}, this version reads 1 to {SCHEMA}: use the version that wrote it"
            )
        if digest != _digest(document):
            raise UserError(f"{file} is damaged, its digest does not match: {_AGAIN}")
        manifest = read_as(cls, json.dumps(document).encode(), file, "export the bundle again")
        try:
            check_kernel(manifest.kernel)
            if (manifest.kernel.encoder is None) != (manifest.encoder is None):
                raise UserError("it names an encoder and does not describe it, or the other way round")
        except UserError as error:
            raise UserError(f"{file} is wrong: {error}") from error
        return manifest


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
