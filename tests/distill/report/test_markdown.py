"""The Markdown file: the same content, its pictures beside it, names as text."""

import io
import re
from dataclasses import replace

import pytest
from PIL import Image

from kerneldistill.report.document import Document, Listing, Section, Table
from kerneldistill.report.markdown import Markdown, escaped
from kerneldistill.report.report import compose
from tests.helpers.reports import make_entry


@pytest.fixture(scope="module")
def written() -> Markdown:
    return Markdown(compose([make_entry()]), "report_files")


def test_every_picture_is_there_and_is_one(written: Markdown) -> None:
    shown = re.findall(r"!\[[^\]]+\]\(<report_files/([^>]+)>\)", written.text)
    assert sorted(shown) == sorted(written.files)
    assert len(shown) > 20
    for name, content in written.files.items():
        if name.endswith(".png"):
            with Image.open(io.BytesIO(content)) as image:
                assert min(image.size) >= 50
        else:
            assert "var(--" not in content.decode()
            assert content.decode().count("<svg") == 1


def test_tables_have_as_many_cells_as_columns(written: Markdown) -> None:
    for block in written.text.split("\n\n"):
        if block.startswith("| "):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_the_numbers_of_the_page_are_in_it(written: Markdown) -> None:
    assert "learned, step 12" in written.text
    assert "**75.0 %** test accuracy" in written.text
    assert "[kernel]" in written.text  # the configuration, as TOML


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("a|b", r"a\|b"),
        ("[x](http://y)", r"\[x\](http:&#47;/y)"),
        ("two\nlines\r# heading", r"two lines \# heading"),
        ("`*_~", r"\`\*\_\~"),
        ("&lt;", "&amp;lt;"),
    ],
)
def test_names_are_text(text: str, safe: str) -> None:
    assert escaped(text) == safe


def test_hostile_names_stay_in_their_cells_and_fences() -> None:
    name = "</table>|\n\n# title <script>"
    table = Table("A table", ("what", name), [(name, "1")])
    listing = Listing("text", "```\n# not a heading\n````\n")
    text = Markdown(Document("t", "l", [Section("s", "s", [table, listing])], "m"), "files").text
    assert "<script>" not in text
    assert "\n# title" not in text
    assert "`````\n```\n# not a heading\n````\n`````" in text


def test_no_name_leads_out_of_the_folder() -> None:
    document = compose([replace(make_entry("../../evil"), dataset="../x")])
    assert all(re.fullmatch(r"[a-z0-9-]+\.(png|svg)", name) for name in Markdown(document, "f").files)
