"""The classes of trials."""

from collections.abc import Callable
from pathlib import Path

from scripts.attacks.bombs import bombs
from scripts.attacks.bundles import broken_bundle, hostile_names, signed_arrays, signed_manifest
from scripts.attacks.data import foreign, mutated_config, mutated_prepared, other_things, prepare_data
from scripts.attacks.trial import Originals, Random, Trial

Maker = Callable[[Random, Path, Originals], Trial]
# Of each hundred trials, so many.
CLASSES: dict[str, tuple[Maker, int]] = {
    "a damaged bundle": (broken_bundle, 12),
    "a signed manifest": (signed_manifest, 16),
    "signed arrays": (signed_arrays, 12),
    "names": (hostile_names, 12),
    "files of other programs": (foreign, 12),
    "bombs": (bombs, 8),
    "configurations": (mutated_config, 10),
    "prepared data": (mutated_prepared, 10),
    "other things than files": (other_things, 5),
    "data to prepare": (prepare_data, 3),
}
