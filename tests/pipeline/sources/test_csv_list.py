"""Read pictures that a CSV file lists."""

from pathlib import Path

import pytest

from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.record import BadRecord
from tests.helpers.tiny_tfds import SHAPE, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine pictures in one folder, numbered."""
    (tmp_path / "pets" / "all").mkdir(parents=True)
    for number in range(9):
        (tmp_path / "pets" / "all" / f"{number}.png").write_bytes(picture(number, "PNG"))
    return tmp_path / "pets"


def written(folder: Path, lines: list[str], name: str = "labels.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def lines(separator: str = ",") -> list[str]:
    return [f"all/{number}.png{separator}{['ant', 'bee', 'cat'][number % 3]}" for number in range(9)]


def opened(path: Path, **changes: object):
    return open_source(DataConfig(**{"name": "auto", "source": "auto", "dir": str(path), **changes}))


@pytest.mark.parametrize(
    ("header", "separator"), [(["path,label"], ","), (["File_Name;Category"], ";"), (["image\tclass"], "\t"), ([], ",")]
)
def test_a_list_of_paths_and_labels(folder: Path, header: list[str], separator: str) -> None:
    source = opened(written(folder, header + lines(separator)))
    assert (source.name, source.file_format, source.class_names) == ("pets", "csv", ("ant", "bee", "cat"))
    assert (source.image_shape, dict(source.splits)) == (SHAPE, {"train": 6, "test": 3})
    records = [record for split, n in source.splits.items() for record in source.read(split, 0, n)]
    assert {record.key: record.label for record in records} == {f"all/{n}.png": n % 3 for n in range(9)}
    for record in records:
        assert record.image == (folder / record.key).read_bytes()


def test_it_is_found_in_its_folder_and_may_name_splits(folder: Path) -> None:
    splits = ["train", "test", "train"]
    rows = [f"{number},{line},{splits[number % 3]}" for number, line in enumerate(lines())]
    written(folder, ["id,path,label,split", *rows], "list.csv")
    source = opened(folder)
    assert (source.name, dict(source.splits)) == ("pets", {"train": 6, "test": 3})
    assert source.labels("test").tolist() == [1, 1, 1]


def test_columns_of_other_names(folder: Path) -> None:
    path = written(folder, ["where,what,label", *(f"{line},x" for line in lines())])
    source = opened(path, image_key="where", label_key="what")
    assert source.class_names == ("ant", "bee", "cat")
    with pytest.raises(DataError, match=r"data\.image_key is 'there'; the columns are where, what, label: name one"):
        opened(path, image_key="there")


def test_a_label_that_changes_changes_the_fingerprint(folder: Path) -> None:
    first = opened(written(folder, ["path,label", *lines()])).fingerprint(["train"])
    assert opened(written(folder, ["path,label", *lines()])).fingerprint(["train"]) == first
    assert (
        opened(written(folder, ["path,label", *(line.replace("bee", "fly") for line in lines())])).fingerprint(
            ["train"]
        )
        != first
    )


def test_paths_that_lead_elsewhere_or_nowhere_are_bad_records(folder: Path) -> None:
    (folder.parent / "secret.png").write_bytes(picture(0, "PNG"))
    more = ["../secret.png,ant", f"{folder.parent}/secret.png,ant", "all/none.png,ant", "all,ant"]
    source = opened(written(folder, ["path,label", *lines(), *more]), train_split="all[:9]", test_split="all[9:]")
    reasons = [record.reason for record in source.read("all", 0, 13) if isinstance(record, BadRecord)]
    assert reasons[:2] == ["leads out of the folder: put it there"] * 2
    assert [reason.startswith("cannot be read: ") for reason in reasons[2:]] == [True, True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"has 0 column; allowed: two or more, path and label"),
        ("path\na.png\n", r"has 1 column; allowed: two or more, path and label: write path,label"),
        ("path,label\n", "lists no picture; allowed: one line or more below the first"),
        ("path,label\nall/0.png\n", r"line 2 has 1 columns; allowed: 2, as in the first"),
        ("where,what\nall/0.png,a\n", r"begins with where,what; allowed: a line that names the columns, as path,label"),
        ("path,label\nall/0.png,a\nall/0.png,b\n", r"lists all/0\.png twice; allowed: once"),
        ("path,label\nall/0.png,a\nall/1.png,a\n", None),
        ("path,label\n" + "x" * 20_000 + ",a\n", "has a field of more than 10,000 letters"),
        ('path,label\n"a,b\n', r"is no CSV \(unexpected end of data\)"),
        ("path,label\nno/1.png,a\n", r"none of the first 1 files of .* is a picture that can be read"),
        (b"path,label\n\xff\xfe,a\n", r"is not UTF-8 \(byte 11\): save it as UTF-8"),
    ],
)
def test_mistakes(folder: Path, content: str | bytes, message: str | None) -> None:
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if message is None:
        assert opened(path, train_split="all[:1]", test_split="all[1:]").class_names == ("a",)
        return
    with pytest.raises(DataError, match=message):
        opened(path)


def test_two_lists_are_ambiguous(folder: Path) -> None:
    written(folder, ["path,label", *lines()], "a.csv")
    written(folder, ["path,label", *lines()], "b.csv")
    with pytest.raises(DataError, match=r"with 2 files \.csv or \.tsv; data\.source = 'csv' needs one: name the file"):
        opened(folder, source="csv")
