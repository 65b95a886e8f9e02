"""The check for TensorFlow, an optional extra: 1.3 GB that only two ways of getting data need."""

import importlib.util

from kerneldistill.pipeline.errors import DataError


def require_tensorflow(why: str, otherwise: str) -> None:
    """Raises DataError, saying how to install it, when TensorFlow is not there. Does not import it.

    Args:
      why: what needs it
      otherwise: how to do without
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise DataError(f"{why} needs TensorFlow: pip install -e '.[tf]', or {otherwise}")
