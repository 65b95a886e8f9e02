"""A text of a file is data: no control character, no path, no way out."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kerneldistill.errors import UserError
from kerneldistill.pipeline.untrusted.names import are_names, below, file_name, is_name, printable

ANY = st.text(st.characters(codec=None), max_size=300)


@given(ANY)
def test_a_file_name_is_one_visible_part_of_a_path(text: str) -> None:
    name = file_name(text)
    assert Path(name).name == name
    assert name.isascii()
    assert not name.startswith((".", "-"))
    assert 0 < len(name) <= 100
    assert file_name(name) == name


def test_two_texts_do_not_become_one_file_name() -> None:
    texts = ["a/b", "a_b", "a b", "../a_b", "A_b", "", "..", "/"]
    assert len({file_name(text).lower() for text in texts if text != "A_b"}) == len(texts) - 1


@given(ANY)
def test_what_is_printed_is_one_line_without_control(text: str) -> None:
    shown = printable(text).replace("\u200c", "").replace("\u200d", "")
    assert shown.isprintable()
    shown.encode()


@pytest.mark.parametrize("text", ["", " a", "a\n", "\x1b[2J", "a\u202eb", "\udcff", "x" * 501, "a\x00b", "\u2028"])
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)
    assert not are_names(["a", text])


@pytest.mark.parametrize("text", ["cat", "2", "a/b", "Süßigkeit", "می‌خواهم", "<b>", "=1+1", "a b"])
def test_what_is_one(text: str) -> None:
    assert is_name(text)


def test_below_refuses_what_leads_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path)
    for parts in (["..", "x"], ["/etc/x"], ["link", "x"], ["."], ["a", "..", "..", "x"]):
        with pytest.raises(UserError, match="leads out of"):
            below(tmp_path / "out", *parts)
    assert below(tmp_path / "out", "a", "b").parent.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
