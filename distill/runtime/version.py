"""The version of this program."""

from importlib import metadata


def code_version() -> str:
    """The installed version of kerneldistill, or "not installed" when it runs from a bare clone."""
    try:
        return metadata.version("kerneldistill")
    except metadata.PackageNotFoundError:
        return "not installed"
