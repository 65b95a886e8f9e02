"""RandAugment in a configuration: it needs changes to draw from."""

from dataclasses import replace

import pytest

from kerneldistill.config.presets import PRESETS
from kerneldistill.config.schema import AugmentConfig
from kerneldistill.config.validation import check
from kerneldistill.errors import UserError

DIGITS = PRESETS["digits"]


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (AugmentConfig(number=2), "no changes are named"),
        (AugmentConfig(("flip",), single=True, number=2), "draws one for all"),
    ],
)
def test_randaugment_draws_from_what_is_named(augment: AugmentConfig, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(replace(DIGITS, augment=augment))
    check(replace(DIGITS, augment=replace(augment, names=("flip",), single=False)))
