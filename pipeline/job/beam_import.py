"""Import Beam without its warning about Google's BigQuery client, which nothing here uses."""

import logging
from types import ModuleType


def import_beam() -> ModuleType:
    """Import `apache_beam`."""
    root = logging.getLogger()
    root.addFilter(_not_about_bigquery)
    try:
        import apache_beam
    finally:
        root.removeFilter(_not_about_bigquery)
    return apache_beam


def _not_about_bigquery(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("apitools not found")
