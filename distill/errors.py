"""`UserError`, the base of every error that a user can mend. It imports nothing: all packages may raise it."""


class UserError(ValueError):
    """A mistake in what the user gave: values, files or folders. Bad data raise its subclass `DataError`.

    The message is complete and one line: the value given, the value allowed, the remedy. The command line prints it
    without a traceback and exits with status 2; any other exception is a fault of this program and keeps its traceback.
    """
