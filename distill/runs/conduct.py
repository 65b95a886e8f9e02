"""How a run is carried out."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

# What can follow a run.
FollowerName = Literal["tensorboard", "wandb"]


class Conduct(NamedTuple):
    """How a run is carried out; none of it changes a number.

    options: of Beam, for the preparation of the data
    confirm: asked whether to begin a run that takes long
    prepared: folder or URL of data that are prepared; None to prepare them where they are missing
    followers: names of what follows the learning elsewhere, beside TensorBoard where that is installed
    """

    options: Sequence[str] = ()
    confirm: Callable[[str], bool] = lambda question: True
    prepared: str | None = None
    followers: Sequence[FollowerName] = ()


USUAL = Conduct()
