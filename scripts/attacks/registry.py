"""The classes of trials."""

from collections.abc import Callable
from pathlib import Path

from scripts.attacks.bombs import bombs
from scripts.attacks.bundles import broken_bundle, hostile_names, signed_arrays, signed_manifest
from scripts.attacks.data import (
    foreign,
    mutated_config,
    mutated_prepared,
    other_things,
    other_things_in_runs,
    prepare_data,
)
from scripts.attacks.flags import hostile_flags, taken_outputs
from scripts.attacks.sources import damaged_source, few_classes, replaced_source
from scripts.attacks.trial import Originals, Random, Trial

Maker = Callable[[Random, Path, Originals], Trial]
# Of each hundred trials, so many.
CLASSES: dict[str, tuple[Maker, int]] = {
    "a damaged bundle": (broken_bundle, 9),
    "a signed manifest": (signed_manifest, 9),
    "signed arrays": (signed_arrays, 9),
    "names": (hostile_names, 9),
    "files of other programs": (foreign, 10),
    "bombs": (bombs, 9),
    "configurations": (mutated_config, 7),
    "flags": (hostile_flags, 8),
    "prepared data": (mutated_prepared, 7),
    "other things than files": (other_things, 4),
    "other things in runs": (other_things_in_runs, 3),
    "data to prepare": (prepare_data, 3),
    "damaged sources": (damaged_source, 5),
    "other things in sources": (replaced_source, 3),
    "too few classes": (few_classes, 2),
    "outputs that are taken": (taken_outputs, 3),
}
