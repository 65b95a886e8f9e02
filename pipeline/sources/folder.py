"""`ImageFolder`: pictures in folders, one folder per class.

    DIR/train/cat/1.png    one folder per split: the splits are `train`, `test`, ...
    DIR/cat/1.png          no splits: there is one, `all`

Examples are in the order of a hash of their names, so that a slice holds all classes. Left out are names that begin
with a dot, files whose suffix says that they are no pictures, and files that are in no class folder; those are counted.
Every other file is an example, and a bad one if it is no picture.
"""

import functools
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etils import epath

from kerneldistill.pipeline.config import DataConfig
from kerneldistill.pipeline.errors import DataError
from kerneldistill.pipeline.sources.notes import note
from kerneldistill.pipeline.sources.pictures import (
    SUMS,
    Listed,
    Pictures,
    declared_of,
    encoded,
    is_picture,
    say_unchecked,
    sums_of,
)
from kerneldistill.pipeline.sources.shape import wanted_shape
from kerneldistill.pipeline.sources.source import WHOLE
from kerneldistill.pipeline.storage.files import absolute, names_below
from kerneldistill.pipeline.titles import UNVERSIONED
from kerneldistill.pipeline.untrusted.names import is_name, printable

Tree = Mapping[str, Mapping[str, list[str]]]


@dataclass(frozen=True)
class ImageFolder(Pictures):
    """Pictures in class folders."""

    def listed(self, split: str) -> Sequence[Listed]:
        return _listed(self.folder, split)


def detects(path: epath.Path) -> bool:
    """Return whether a folder holds pictures."""
    return path.is_dir() and any(map(is_picture, _visible(str(path))))


def open_source(config: DataConfig) -> ImageFolder:
    """Open the folder that `config.dir` names.

    Raises:
      DataError: there is none, it is not laid out as above, or no size is known.
    """
    folder = None if config.dir is None else absolute(config.dir)
    if folder is None or not folder.is_dir():
        raise DataError(f"data.dir is {config.dir}; data.source = 'folder' needs a folder with one folder per class")
    for cached in (_tree, _listed, sums_of):
        cached.cache_clear()
    tree = _tree(str(folder))
    splits = {split: sum(map(len, classes.values())) for split, classes in tree.items()}
    if not any(splits.values()):
        raise DataError(_no_classes(folder))
    files = [name for classes in tree.values() for names in classes.values() for name in names]
    say_unchecked(folder, files)
    probed = [name for split in tree for name, _ in _listed(str(folder), split)]
    return ImageFolder(
        name=config.name,
        version=config.version or UNVERSIONED,
        file_format="folder",
        class_names=tuple(sorted({name for classes in tree.values() for name in classes if is_name(name)})),
        image_shape=wanted_shape(config, declared_of(folder, probed, config), config.name),
        splits=splits,
        folder=str(folder),
    )


def _no_classes(folder: epath.Path) -> str:
    flat = sum(map(is_picture, _visible(str(folder))))
    if not flat:
        return f"{folder} holds no pictures in class folders; allowed: SPLIT/CLASS/picture or CLASS/picture"
    return (
        f"{folder} holds {flat} files, but none in a class folder; allowed: CLASS/picture or SPLIT/CLASS/picture: put "
        "each into a folder named by its class, or list them in a labels.csv with the columns path and label"
    )


@functools.cache
def _tree(folder: str) -> Tree:
    """List the files by split and class, with those that only SHA256SUMS lists: they are missing."""
    names = {*_visible(folder), *sums_of(folder)} - {SUMS}
    pictures = sorted(filter(is_picture, names))
    depths = Counter(name.count("/") for name in pictures)
    # Where both occur, the rarer is stray; a class folder with a folder in it is commoner than the reverse.
    depth = 2 if depths[2] > depths[1] else 1
    tree: dict[str, dict[str, list[str]]] = {}
    for name in pictures:
        if name.count("/") == depth:
            *split, label, _ = name.split("/")
            tree.setdefault(split[0] if split else WHOLE, {}).setdefault(label, []).append(name)
    _warn_left_out(folder, sorted(names.difference(pictures)), "are no pictures by their names")
    _warn_left_out(folder, [name for name in pictures if name.count("/") != depth], "are in no class folder")
    return tree


def _warn_left_out(folder: str, names: Sequence[str], why: str) -> None:
    if names:
        some = ", ".join(map(printable, names[:3])) + ", ..." * (len(names) > 3)
        note(f"{len(names)} files in {folder} {why}, and are left out: {some}", logging.WARNING)


def _visible(folder: str) -> Iterator[str]:
    """Yield the names of all files below, except those with a dot at the start of a part."""
    return (name for name in names_below(folder) if not any(part.startswith(".") for part in name.split("/")))


@functools.cache
def _listed(folder: str, split: str) -> tuple[Listed, ...]:
    """List the files of a split, in the order of the hashes of their names."""
    files = [Listed(name, label) for label, names in _tree(folder)[split].items() for name in names]
    return tuple(sorted(files, key=lambda file: hashlib.blake2b(encoded(file.name), digest_size=16).digest()))
