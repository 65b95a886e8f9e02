"""What is recorded of the encoder whose features a set was learned on, in a run and in its bundle."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Len

from kerneldistill.config.marks import Count
from kerneldistill.errors import UserError
from kerneldistill.kernels.encoder_checks import Identity
from kerneldistill.pipeline.untrusted.names import Text


@dataclass(frozen=True)
class EncoderRecord:
    """An encoder.

    name: module:function, as its user called it; a reader does not import it
    size: d, the number of its features
    kernel: of fixed images, by which it is told from others; see `Identity`
    """

    name: Text
    size: Count
    kernel: Annotated[tuple[float, ...], Len(1, 100)]

    @classmethod
    def of(cls, name: str, identity: Identity) -> "EncoderRecord":
        """Record an encoder."""
        return cls(name, identity.size, identity.kernel)

    def check(self, found: Identity, where: str, remedy: str) -> None:
        """Refuse another encoder than this.

        Raises:
          UserError: `where`, in words, was made by this one, and `found` is another; the message ends with `remedy`.
        """
        own = Identity(self.size, tuple(self.kernel))
        if not own.same(found):
            raise UserError(
                f"{where} is of features of the encoder {self.name!r} ({own}), and that which is given has others "
                f"({found}): {remedy}"
            )
