"""`copy`: a prepared data set from a URL or a folder into another place, with every digest checked on the way."""

from collections.abc import Callable
from dataclasses import replace

from etils import epath

from kerneldistill.pipeline.prepared import check_file
from kerneldistill.pipeline.storage.files import absolute, write_whole
from kerneldistill.pipeline.storage.manifest import Manifest
from kerneldistill.pipeline.storage.output import open_output


def copy(path: epath.PathLike, out: epath.PathLike, told: Callable[[int], object] = lambda done: None) -> Manifest:
    """Copy the prepared data set at `path` to `out`, whole or not at all; return its manifest there.

    Args:
      path: folder or URL
      out: folder that does not exist, or holds another prepared data set, which is replaced
      told: called with the number of files that are there

    Raises:
      DataError: there is none, or a file of it is missing or damaged.
    """
    origin = absolute(path)
    manifest = Manifest.load(origin)
    folder, output = manifest.folder(origin), open_output(out)
    with output.sole_writer(), output.staging(manifest.fingerprint) as staging:
        for done, file in enumerate((*manifest.files, *manifest.shards), 1):
            target = staging / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, (folder / file.path).read_bytes())
            check_file(staging, file)
            told(done)
        return output.publish(staging, replace(manifest, root=""))
