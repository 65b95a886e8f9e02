"""Read zip archives of strangers (.npz, .pt) within limits, comparing every checksum.

A member is read only if what the directory declares of it is within the limits, and never beyond what is declared:
`zipfile` stops there and compares the CRC32. So a flipped bit of a member's content is always found.
"""

import io
import zipfile
from collections.abc import Callable, Mapping

from kerneldistill.bundle.untrusted.limits import FREE_RATIO_BYTES, MAX_BYTES, MAX_MEMBERS, MAX_RATIO
from kerneldistill.errors import UserError


def read_archive(content: bytes, name: str, wanted: Callable[[str], bool] = lambda name: True) -> Mapping[str, bytes]:
    """Read the members of a zip archive, by name.

    Args:
      content: of the archive.
      name: what to call it in messages.
      wanted: whether a member of a name is read; the limits are for all.

    Raises:
      UserError: it has too many members, two of one name, one that is too large or shrinks too much, or one that is
        not stored or deflated. What else is wrong with it raises what `zipfile` raises.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        _check(members, name)
        return {member.filename: archive.read(member) for member in members if wanted(member.filename)}


def _check(members: list[zipfile.ZipInfo], name: str) -> None:
    if len(members) > MAX_MEMBERS:
        raise UserError(f"{name} has {len(members):,} members, allowed are {MAX_MEMBERS:,}: it is no distilled set")
    if len({member.filename for member in members}) < len(members):
        raise UserError(f"{name} has two members of one name, so it is ambiguous: write it again")
    if (total := sum(member.file_size for member in members)) > MAX_BYTES:
        raise UserError(f"{name} unpacks to {total:,} bytes, allowed are {MAX_BYTES:,}: a distilled set is smaller")
    for member in members:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(f"{name}: {member.filename!r} is neither stored nor deflated: write it with numpy or torch")
        if member.file_size > max(FREE_RATIO_BYTES, MAX_RATIO * member.compress_size):
            raise UserError(
                f"{name}: {member.filename!r} unpacks {member.compress_size:,} bytes to {member.file_size:,}, allowed "
                f"is {MAX_RATIO} times as many: learned images do not shrink like this"
            )
