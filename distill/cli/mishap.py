"""Errors that are the machine's and not this program's, in one line: a full disk, a folder that may not be written."""

import errno
import os
import re

from kerneldistill.errors import UserError

_ROOM = "make room there, then run the same command again"
_RIGHTS = "give a folder that you may read and write, or change its rights"
_OTHER = "something else is there: move it away, or give another path"

# What to do, by the number of a system's error.
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: _ROOM,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.ENOENT: "put it there, or give another path",
    errno.EEXIST: _OTHER,
    errno.ENOTDIR: _OTHER,
    errno.EISDIR: _OTHER,
    errno.ENOTEMPTY: _OTHER,
    errno.ELOOP: _OTHER,
    errno.ENAMETOOLONG: "give a shorter path",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.EIO: "the disk does not work as it should: run the same command again elsewhere",
}


def in_words(error: BaseException) -> str | None:
    """Say an error as a user needs it; None where it is a fault of the program, whose traceback matters."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return _system(error)
    # XLA raises a RuntimeError of its own.
    if isinstance(error, MemoryError) or str(error).startswith("RESOURCE_EXHAUSTED"):
        return (
            f"memory is full ({str(error)[:200] or 'Python could not have more'}): set a smaller --support.size or "
            "--optim.target-batch, or run it where there is more (kdistill plan says how much it takes)"
        )
    if isinstance(error, RecursionError):
        return f"what was given is nested too deep to be read ({error}): give it flatter"
    return None


def _system(error: OSError) -> str:
    """Name the file, what the system says of it, and the remedy."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    said = error.strerror or str(error) or type(error).__name__
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{' and '.join(names) or 'a file'}: {said}" + (f"; {remedy}" if remedy else "")


def flags_named(text: str) -> str:
    """Name settings by their flags: in files and in Python they are `optim.steps`, here `--optim.steps`.

    What is wrong in a file is told as the file says it.
    """
    from kerneldistill.config.settings import settings

    if re.match(r"\S+\.toml\b", text):
        return text
    names = {name: setting.flag for name, setting in settings().items()}
    text = re.sub(r"(?<![\w.-])(coarse|seed)(?= (?:is|has) )", lambda name: names[name[0]], text)
    return re.sub(r"(?<![\w.=,/'\u2013\u2014-])[a-z_]+(?:\.\w+)+", lambda name: names.get(name[0], name[0]), text)
