"""How large a file of a stranger may be, and become: a distilled set is small, a bomb is not."""

from pathlib import Path

from kerneldistill.errors import UserError

# A thousand classes of ten 64x64 colour images in float32 are half of it.
MAX_BYTES = 1 << 30
# A .pt of twenty experiments, each with its images and labels, has fewer than a hundred.
MAX_MEMBERS = 1000
# Deflate reaches 1032; learned images in float32 reach 1.1. Small members, such as one-hot labels, may shrink more.
MAX_RATIO = 100
FREE_RATIO_BYTES = 1 << 22
# A pickle or a msgpack that describes arrays, without these.
MAX_PICKLE_BYTES = 1 << 22
MAX_IMAGES = 1_000_000
MAX_SIDE = 1024


def read_limited(path: Path) -> bytes:
    """Return the content of a file of at most `MAX_BYTES`.

    Raises:
      UserError: it cannot be read, or is larger.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path} has {size:,} bytes, allowed are {MAX_BYTES:,}: a distilled set is smaller")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): name a file of a distilled set") from error
