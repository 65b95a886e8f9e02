"""Parse parts of splits."""

import pytest

from kerneldistill.pipeline import DataConfig, DataError
from kerneldistill.pipeline.job.batch import Batch, plan
from kerneldistill.pipeline.sources.opening import open_source
from kerneldistill.pipeline.sources.ranges import check_disjoint, parse

SIZES = {"train": 200, "extra": 50}


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("train", [("train", 0, 200)]),
        ("train[:10%]", [("train", 0, 20)]),
        ("train[33%:]", [("train", 66, 200)]),
        ("train[5:7]+extra", [("train", 5, 7), ("extra", 0, 50)]),
        (" extra [49:50] ", [("extra", 49, 50)]),
    ],
)
def test_what_is_understood(text, ranges):
    assert list(parse(text, SIZES, "it")) == ranges


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dev", "it has no split 'dev'; it has: train, extra"),
        ("train[:201]", r"split 'train\[:201\]' of it is examples 0 to 201; allowed: 0 to 200"),
        ("train[5:5]", "is examples 5 to 5"),
        ("train[-5:]", "is not understood; allowed: name, name"),
        ("train[1:2:3]", "is not understood"),
        ("", "is not understood"),
    ],
)
def test_what_is_not(text, message):
    with pytest.raises(DataError, match=message):
        parse(text, SIZES, "it")


def test_no_example_is_taken_twice():
    check_disjoint(parse("train[:50%]", SIZES, "it"), parse("train[50%:]+extra", SIZES, "it"), "it")
    with pytest.raises(DataError, match="examples 99 to 99 of train of it are taken twice"):
        check_disjoint(parse("train[:100]", SIZES, "it"), parse("train[99:]", SIZES, "it"), "it")


def test_batches_do_not_cross_ranges():
    config = DataConfig(train_split="train[5:12]+test[:3]", test_split="test[3:9]", batch_size=5)
    source = open_source(config)
    assert list(plan(config, source, "train")) == [
        Batch("train", 0, "train", 5, 10),
        Batch("train", 1, "train", 10, 12),
        Batch("train", 2, "test", 0, 3),
    ]
    assert list(plan(config, source, "test")) == [Batch("test", 0, "test", 3, 8), Batch("test", 1, "test", 8, 9)]
