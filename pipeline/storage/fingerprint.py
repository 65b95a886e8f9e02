"""The fingerprint of a prepared data set: equal fingerprints, equal files."""

import hashlib
import json
from dataclasses import asdict

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.storage.manifest import SCHEMA

# These settings say where the data are, not what they are.
_PLACES = ("dir", "download")


def fingerprint_of(config: DataConfig, source_fingerprint: str) -> str:
    """Hash the digest of the source's content, the configuration (with its version filled in) and the schema."""
    fields = {name: value for name, value in asdict(config).items() if name not in _PLACES}
    document = {"schema": SCHEMA, "source": source_fingerprint, "config": fields}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
