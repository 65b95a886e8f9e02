"""Let TFDS fetch and build one of its data sets: the only module that uses the network by itself."""

import logging
import socket
from typing import Any
from urllib.parse import urlsplit

from etils import epath

from kerneldistill.pipeline.errors import DataError, first_line
from kerneldistill.pipeline.sources.extras import require_tensorflow

_log = logging.getLogger(__name__)
_TIMEOUT_S = 10


def download(name: str, version: str | None, data_dir: epath.Path) -> None:
    """Build TFDS's data set `name` in `data_dir`, as array_record files.

    Raises:
      DataError: TensorFlow is not installed, TFDS has no such data set, or its server cannot be reached.
    """
    require_tensorflow(f"downloading {name} (TFDS's builders)", "put an array_record copy of it into data.dir")
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(f"{name}:{version or '*.*.*'}", data_dir=data_dir, file_format="array_record")
    except (tfds.core.DatasetNotFoundError, AssertionError, ValueError) as error:
        raise DataError(f"TFDS cannot build {name} {version or ''}: {first_line(error)}; correct it") from error
    for host in _hosts(builder, data_dir / "downloads"):
        _check_reachable(host, name)
    _log.info("TFDS downloads and builds %s in %s", name, data_dir)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))


def _hosts(builder: Any, downloads: epath.Path) -> set[tuple[str, int]]:
    """List the servers, with their ports, of the files that are not in `downloads` yet.

    Where TFDS lists no files, take the homepage's server: it tells whether there is a network at all.
    """
    from tensorflow_datasets.core.download import resource

    if builder.url_infos is None:
        urls = [builder.info.homepage]
    else:
        fetched = {path.name for pattern in ("*", "*/*") for path in downloads.glob(pattern)}
        infos = builder.url_infos.items()
        urls = [url for url, info in infos if resource.get_dl_fname(url, info.checksum) not in fetched]
    parts = [urlsplit(url) for url in urls]
    return {(url.hostname, url.port or (80 if url.scheme == "http" else 443)) for url in parts if url.hostname}


def _check_reachable(host: tuple[str, int], name: str) -> None:
    """Raise DataError if a server cannot be reached: TFDS itself would retry for minutes without a word."""
    try:
        socket.create_connection(host, timeout=_TIMEOUT_S).close()
    except OSError as error:
        raise DataError(
            f"cannot reach {host[0]}:{host[1]}, where {name} is ({error}); connect to the network, or put an "
            "array_record copy of the data set into data.dir"
        ) from error
