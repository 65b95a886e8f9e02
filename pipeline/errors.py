"""The one error a user of `pipeline` is meant to see."""


class DataError(ValueError):
    """A user's mistake or bad data.

    The message is one complete line: the value given, the value allowed, the remedy. Show it without a traceback.
    """
