"""`DataError`, the one error that a user of `pipeline` is meant to see."""

from kerneldistill.errors import UserError


class DataError(UserError):
    """Bad data, or a mistake in what was asked of them.

    The message is one complete line: the value given, the value allowed, the remedy. Show it without a traceback.
    """


class InUseError(DataError):
    """Another process has what was asked for; the message says which."""


def first_line(error: BaseException) -> str:
    """First line of another library's message, to quote in a message of one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
