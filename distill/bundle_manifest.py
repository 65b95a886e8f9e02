"""The manifest of a bundle: where everything in it comes from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from distill.config import KernelConfig
from distill.errors import UserError

SCHEMA = 1

LabelMode = Literal["fixed", "learned", "label_solve"]


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
    step: outer steps done
    seed: of the run
    validation_seed: of the draw of the validation split
    dtypes: precision of the kernel, of the solve, and of the stored arrays
    config_sha256: of the run's configuration
    code_version: of kerneldistill
    jax_version: of jax
    files: sha256 of every other file, by name
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
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The manifest as JSON, with a digest of itself in front."""
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
        if schema != SCHEMA:
            raise UserError(f"{file} has schema {schema}, this version reads {SCHEMA}: use the version that wrote it")
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
