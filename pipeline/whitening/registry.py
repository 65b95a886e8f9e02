"""The kinds of whitening. To add one, write a module of that name in this package and add the name here.

The module defines `WHITENING`, an instance of `kerneldistill.pipeline.whitening.whitening.Whitening`. This file imports
nothing of the package, so that a configuration can be checked without it.
"""

from typing import TYPE_CHECKING, Literal

WHITENINGS = ("kip_zca", "kornia_zca", "standard", "none")

if TYPE_CHECKING:
    WhiteningKind = str
else:
    WhiteningKind = Literal[WHITENINGS]
