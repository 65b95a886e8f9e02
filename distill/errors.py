"""The one exception for a user's mistake."""


class UserError(ValueError):
    """A mistake in what the user gave: values, files or folders.

    The message is complete and one line: the value given, the value allowed, the remedy. The command line prints it
    without a traceback and exits with status 2; any other exception is a fault of this program and keeps its traceback.
    """
