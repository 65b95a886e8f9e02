"""How a data set is called where people read of it."""

# What a source without versions says.
UNVERSIONED = "0"


def titled(name: str, version: str) -> str:
    """Return name and version; the name alone of data that have none.

    Example:
      >>> titled("cifar10", "3.0.2"), titled("pets", "0")
      ('cifar10 3.0.2', 'pets')
    """
    return name if version == UNVERSIONED else f"{name} {version}"
