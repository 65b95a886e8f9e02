"""Test the layout of a record and the file of a shard."""

import hypothesis.strategies as st
import numpy as np
import pytest
from etils import epath
from hypothesis import given

from kerneldistill.pipeline import DataError
from kerneldistill.pipeline.storage.files import sha256
from kerneldistill.pipeline.storage.shard import ShardImages, decode, encode, read_shard, write_shard


@given(st.text(max_size=40), st.integers(-(2**31), 2**31 - 1), st.tuples(*[st.integers(1, 4)] * 3))
def test_a_record_comes_back(key, label, shape):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    again = decode(encode(key, image, label))
    assert again[0] == key
    assert again[2] == label
    assert np.array_equal(again[1], image)


def test_the_layout_on_disk_does_not_drift():
    image = np.array([[[1.0, -2.0]]], np.float32)
    assert encode("k", image, 3).hex() == "4b4452310300000001000100000001000000020000006b0000803f000000c0"


def test_a_shard_comes_back(tmp_path):
    tmp_path = epath.Path(tmp_path)
    (tmp_path / "shards").mkdir()
    images = np.random.default_rng(0).normal(size=(5, 2, 3, 1)).astype(np.float32)
    content = ShardImages(tuple("abcde"), images, np.array([0, 1, 1, 2, 0], np.int32))
    shard = write_shard(tmp_path, "train", 7, content, 4)
    assert shard.class_counts == (2, 2, 1, 0)
    path = tmp_path / shard.path
    assert (shard.bytes, shard.sha256) == (path.stat().length, sha256(path))
    again = read_shard(path)
    assert again.keys == content.keys
    assert np.array_equal(again.images, images)
    assert np.array_equal(again.labels, content.labels)
    assert [file.name for file in path.parent.iterdir()] == ["train-00007.array_record"]


def test_other_files_are_refused(tmp_path):
    from array_record.python import array_record_module

    writer = array_record_module.ArrayRecordWriter(str(tmp_path / "other"), "group_size:1")
    writer.write(b"something else, long enough for a header")
    writer.close()
    (tmp_path / "text").write_text("text")
    with pytest.raises(DataError, match="a record starts with b'some'"):
        read_shard(tmp_path / "other")
    with pytest.raises(DataError, match="cannot be read"):
        read_shard(tmp_path / "text")
