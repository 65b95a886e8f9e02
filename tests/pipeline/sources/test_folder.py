"""Read folders of images."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from kerneldistill import pipeline
from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.image_decoding import decode
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.record import BadRecord
from tests.helpers.tiny_tfds import SHAPE, picture


def write_pictures(folder: Path, classes: dict[str, int], kind: str = "PNG") -> Path:
    """Write a folder per class with so many pictures."""
    for number, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            (folder / name / f"{index}.{kind.lower()}").write_bytes(picture(100 * number + index, kind))
    return folder


def write_sums(folder: Path) -> None:
    """Write the list that `sha256sum` makes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{path.relative_to(folder)}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def _config(folder: Path, **changes) -> DataConfig:
    return DataConfig(**{"name": "pets", "source": "folder", "dir": str(folder), **changes})


@pytest.fixture
def pets(tmp_path) -> Path:
    write_pictures(tmp_path / "pets" / "train", {"dog": 9, "cat": 7})
    write_pictures(tmp_path / "pets" / "test", {"dog": 3, "cat": 2})
    return tmp_path / "pets"


def test_a_folder_with_splits(pets):
    source = open_source(_config(pets))
    assert (source.class_names, source.image_shape) == (("cat", "dog"), SHAPE)
    assert dict(source.splits) == {"train": 16, "test": 5}
    records = list(source.read("train", 0, 16))
    assert {record.key for record in records} == {
        str(path.relative_to(pets)) for path in (pets / "train").rglob("*.png")
    }
    for record in records:
        assert record.image == (pets / record.key).read_bytes()
        assert source.class_names[record.label] == record.key.split("/")[1]


def test_a_folder_without_splits_is_dealt_by_hash(tmp_path):
    folder = write_pictures(tmp_path / "flat", {"a": 30, "b": 30})
    source = open_source(_config(folder, train_split="all[:50%]", test_split="all[50%:]"))
    assert dict(source.splits) == {"all": 60}
    labels = [record.label for record in source.read("all", 0, 30)]
    assert 8 < sum(labels) < 22
    assert [record.key for record in source.read("all", 7, 9)] == [r.key for r in source.read("all", 0, 60)][7:9]


def test_end_to_end_with_grey_and_other_sizes(pets, tmp_path):
    (pets / "train" / "cat" / "grey.png").write_bytes(picture(1, "PNG", (6, 5, 1)))
    (pets / "train" / "cat" / "large.png").write_bytes(picture(2, "PNG", (60, 50, 3)))
    config = _config(pets, height=6, width=5, resize="bilinear", whiten="none", validation_fraction=0.0)
    manifest = pipeline.prepare(config, tmp_path / "out")
    assert (manifest.num_in, manifest.num_bad, manifest.source_format) == (23, 0, "folder")
    assert manifest.class_names == ("cat", "dog")
    assert manifest.class_counts["train"] == (9, 9)
    refused = pipeline.prepare(_config(pets, max_bad_fraction=0.1), tmp_path / "strict")
    assert refused.num_bad == 1
    assert "large.png" in (tmp_path / "strict" / "dead_letter.jsonl").read_text()


def test_sizes_that_are_wanted(pets):
    assert open_source(_config(pets, height=3, width=4, resize="box")).image_shape == (3, 4, 3)
    assert open_source(_config(pets, channels=1)).image_shape == (6, 5, 1)
    with pytest.raises(DataError, match=r"data\.height is 7, the images of pets have 6; set data\.resize to a method"):
        open_source(_config(pets, height=7))
    with pytest.raises(DataError, match=r"data\.resize is 'box'; allowed: refuse, unless data\.height and"):
        _config(pets, resize="box")


def test_what_is_no_picture_is_left_out_and_counted(pets, caplog):
    (pets / "train" / "cat" / ".DS_Store").write_text("")
    (pets / ".git" / "objects" / "aa").mkdir(parents=True)
    (pets / ".git" / "objects" / "aa" / "b").write_text("")
    (pets / "train" / "cat" / "Thumbs.db").write_text("not a cat")
    (pets / "train" / "notes.txt").write_text("")
    (pets / "stray.png").write_bytes(picture(3, "PNG"))
    (pets / "train" / "cat" / "phone.heic").write_bytes(b"a picture that is not read")
    with caplog.at_level(logging.WARNING):
        source = open_source(_config(pets))
    assert f"2 files in {pets} are no pictures by their names, and are left out: train/cat/Thumbs.db" in caplog.text
    assert f"1 files in {pets} are in no class folder, and are left out: stray.png" in caplog.text
    assert dict(source.splits) == {"train": 17, "test": 5}
    (phone,) = (record for record in source.read("train", 0, 17) if record.key.endswith(".heic"))
    with pytest.raises(ValueError, match="is not in a format that is read"):
        decode(phone.image, SHAPE)


def test_a_folder_within_a_class_folder_makes_no_splits(tmp_path):
    folder = write_pictures(tmp_path / "flat", {"a": 5, "b": 5})
    write_pictures(folder / "a", {"kittens": 2})
    source = open_source(_config(folder, train_split="all[:50%]", test_split="all[50%:]"))
    assert dict(source.splits) == {"all": 10}


def test_sizes_that_differ_are_told_with_the_remedy(pets):
    for index in range(4):
        (pets / "train" / "dog" / f"large{index}.png").write_bytes(picture(index, "PNG", (20 + index, 30, 3)))
    with pytest.raises(
        DataError, match=r"pets differ in size \(6x5 to 23x30\); allowed: one size: set --data.height 32"
    ):
        open_source(_config(pets))
    assert open_source(_config(pets, height=8, width=8, resize="box")).image_shape == (8, 8, 3)


def test_grey_pictures_among_those_in_colour_are_in_colour(pets):
    for index in range(12):
        (pets / "train" / "dog" / f"grey{index}.png").write_bytes(picture(index, "PNG", (6, 5, 1)))
    assert open_source(_config(pets)).image_shape == (6, 5, 3)


def test_some_transparent_pictures_are_told_with_the_remedy(pets):
    (pets / "train" / "dog" / "glass.png").write_bytes(picture(1, "PNG", (6, 5, 4)))
    with pytest.raises(
        DataError, match=r"1 of the first 22 are transparent; allowed: all or none: set --data.channels"
    ):
        open_source(_config(pets))


def test_a_link_to_a_folder_is_followed(pets, tmp_path):
    elsewhere = write_pictures(tmp_path / "elsewhere", {"owl": 4})
    (pets / "train" / "owl").symlink_to(elsewhere / "owl")
    assert dict(open_source(_config(pets)).splits) == {"train": 20, "test": 5}


def test_the_list_of_digests_finds_what_is_damaged_missing_or_new(pets):
    (pets / "train" / "dog" / "photo.jpg").write_bytes(picture(5))
    write_sums(pets)
    assert not [record for record in open_source(_config(pets)).read("train", 0, 17) if isinstance(record, BadRecord)]
    photo = bytearray((pets / "train" / "dog" / "photo.jpg").read_bytes())
    photo[-20] ^= 1
    (pets / "train" / "dog" / "photo.jpg").write_bytes(photo)
    (pets / "train" / "dog" / "0.png").unlink()
    (pets / "train" / "dog" / "new.png").write_bytes(picture(6, "PNG"))
    source = open_source(_config(pets))
    bad = {r.key: r.reason for r in source.read("train", 0, 18) if isinstance(r, BadRecord)}
    assert bad == {
        "train/dog/photo.jpg": "is not the file that SHA256SUMS lists",
        "train/dog/0.png": "cannot be read: No such file or directory",
        "train/dog/new.png": "is not in SHA256SUMS",
    }


def test_a_file_that_is_mended_is_read_anew(pets, tmp_path):
    whole = (pets / "train" / "dog" / "0.png").read_bytes()
    write_sums(pets)
    (pets / "train" / "dog" / "0.png").write_bytes(whole[:-1])
    config = _config(pets, max_bad_fraction=0.1, whiten="none")
    assert pipeline.prepare(config, tmp_path / "out").num_bad == 1
    (pets / "train" / "dog" / "0.png").write_bytes(whole)
    assert pipeline.prepare(config, tmp_path / "out", overwrite=True).num_bad == 0


def test_formats_without_a_checksum_are_told(pets, caplog):
    with caplog.at_level(logging.INFO):
        open_source(_config(pets))
    assert "checksum" not in caplog.text
    (pets / "train" / "dog" / "photo.jpg").write_bytes(picture(5))
    with caplog.at_level(logging.INFO):
        open_source(_config(pets))
    assert "1 of 22 pictures in" in caplog.text


def test_the_fingerprint_is_of_names_and_content(pets):
    def fingerprint():
        return open_source(_config(pets)).fingerprint(("test", "train"))

    first = fingerprint()
    assert fingerprint() == first
    (pets / "test" / "cat" / "0.png").write_bytes(picture(999, "PNG"))
    second = fingerprint()
    assert second != first
    (pets / "test" / "cat" / "0.png").rename(pets / "test" / "cat" / "zero.png")
    assert fingerprint() != second


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "data.dir is .*/none; data.source = 'folder' needs a folder"),
        ({}, "holds no pictures in class folders; allowed: SPLIT/CLASS/picture"),
        ({"x.png": b"", "y.png": b""}, "holds 2 files, but none in a class folder; allowed: CLASS/picture"),
        ({"a/x.png": b"", "b/y.png": b"no"}, "none of the first 2 files of .* is a picture that can be read"),
        ({"SHA256SUMS": b"abc a/x.png\n", "a/x.png": b""}, "SHA256SUMS line 1 is 'abc a/x.png'; allowed"),
    ],
)
def test_mistakes(tmp_path, content, message):
    folder = tmp_path / "none"
    for name, data in (content or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    if content == {}:
        folder.mkdir()
    with pytest.raises(DataError, match=message):
        open_source(_config(folder, train_split="all[:1]", test_split="all[1:]"))


def test_names_that_do_not_print_and_things_that_are_no_files_are_bad_records(tmp_path):
    for label in ("a", "b", os.fsdecode(b"\xff"), "evil\x1b[2J"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(picture(0, "PNG"))
    for name in (os.fsdecode(b"\xfe.png"), "two\nlines.png"):
        (tmp_path / "a" / name).write_bytes(picture(1, "PNG"))
    os.mkfifo(tmp_path / "a" / "pipe.png")
    (tmp_path / "a" / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "b" / "loop.png").symlink_to(tmp_path / "b" / "loop.png")
    source = open_source(
        DataConfig(name="x", source="folder", dir=str(tmp_path), train_split="all[:5]", test_split="all[5:]")
    )
    assert source.class_names == ("a", "b")
    records = list(source.read("all", 0, source.splits["all"]))
    named = {record.key: record.reason for record in records if isinstance(record, BadRecord)}
    assert len(records) == 9
    assert sorted(named) == [
        "\\udcff/1.png",
        "a/\\udcfe.png",
        "a/pipe.png",
        "a/two\\nlines.png",
        "a/zero.png",
        "b/loop.png",
        "evil\\x1b[2J/1.png",
    ]
    assert "it is a pipe, not a file" in named["a/pipe.png"]
    assert source.fingerprint(["all"]) == source.fingerprint(["all"])
