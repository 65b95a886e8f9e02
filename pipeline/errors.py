"""The one error a user of `pipeline` is meant to see."""


class DataError(ValueError):
    """A user's mistake or bad data.

    The message is one complete line: the value given, the value allowed, the remedy. Show it without a traceback.
    """


def first_line(error: BaseException) -> str:
    """What another library's error says, cut to fit into a message of one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
