"""The page: whole by itself, accessible, and without markup of anybody else's."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from kerneldistill.report.html import html
from kerneldistill.report.report import compose
from kerneldistill.report.report_entry import Absent
from tests.helpers.pages import Page
from tests.helpers.reports import make_entry

HOSTILE = (
    "<script>document.title='run by a name'</script>",
    '"><img src=x onerror="document.title=1">',
    "</style></title>&lt;b&gt; $x^2$ \u202e\x00\x1b[31m `|`",
)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html(compose([make_entry("runs/one"), make_entry("runs/two", seed=1)])))


@pytest.fixture(scope="module")
def alone() -> str:
    return html(compose([make_entry()]))


@pytest.fixture(scope="module")
def attacked() -> Page:
    entry = make_entry(HOSTILE[0])
    learned = entry.learned._replace(class_names=HOSTILE)
    return Page(html(compose([replace(entry, learned=learned, dataset=HOSTILE[1], path=Path("/") / HOSTILE[1])])))


def test_nothing_is_fetched_or_run(page: Page, alone: str) -> None:
    assert not page.named("script", "link", "iframe", "object", "embed", "form", "base")
    for element in page.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith(("data:image/png;base64,", "#")), value
            assert "url(" not in value or value.startswith("url(#")
    style = alone.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    (policy,) = [e for e in page.named("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"].startswith("default-src 'none'")


def test_who_cannot_see_it_is_told(page: Page) -> None:
    assert page.named("html")[0].attributes["lang"] == "en"
    assert len(page.named("h1")) == 1
    assert all(element.attributes["alt"] for element in page.named("img"))
    drawings = page.named("svg")
    assert len(drawings) > 8
    assert all(element.attributes["role"] == "img" and element.attributes["aria-label"] for element in drawings)
    assert all(element.attributes.get("scope") in ("col", "row") for element in page.named("th"))
    assert len(page.named("caption")) + len(page.named("figcaption")) >= 12
    scrolled = [e for e in page.named("div") if e.attributes.get("role") == "region"]
    assert all(e.attributes["tabindex"] == "0" and e.attributes["aria-label"] for e in scrolled)
    assert all("div" in table.inside for table in page.named("table"))


def test_names_within_the_page_are_unique_and_found(page: Page) -> None:
    names = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(names) == len(set(names))
    used = [v for e in page.elements for k, v in e.attributes.items() if k in ("href", "clip-path", "aria-labelledby")]
    found = [re.search(r"#?([\w.-]+)\)?$", name).group(1) for name in used]
    assert len(found) > 30
    assert set(found) <= set(names)


def test_every_row_has_its_columns(alone: str) -> None:
    for table in re.findall("<table.*?</table>", alone, re.DOTALL):
        widths = {len(re.findall("<t[hd][ >]", row)) for row in re.findall("<tr.*?</tr>", table, re.DOTALL)}
        assert len(widths) == 1, table[:300]


def test_hostile_names_are_text(alone: str, attacked: Page) -> None:
    assert {element.name for element in attacked.elements} == {element.name for element in Page(alone).elements}
    assert not attacked.named("script", "b")
    assert all(element.attributes["src"].startswith("data:") for element in attacked.named("img"))
    assert not [e for e in attacked.elements if any(name.startswith("on") for name in e.attributes)]
    assert HOSTILE[0] in attacked.text
    assert HOSTILE[1] in attacked.text
    assert "</style></title>&lt;b&gt; $x^2$ \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}" in attacked.text
    assert not set("\x00\x1b\u202e") & set(attacked.text)
    alts = "".join(element.attributes["alt"] for element in attacked.named("img"))
    assert HOSTILE[1] in alts


def test_a_subject_with_nothing_makes_a_page() -> None:
    parts = ("kernel", "ridge", "learned", "records", "results", "on_test", "config", "sessions")
    nothing = replace(make_entry(), protocols=(), **dict.fromkeys(parts, Absent("there is none")))
    page = Page(html(compose([nothing])))
    assert page.text.count("there is none") >= 8


def test_equal_subjects_give_equal_bytes(alone: str) -> None:
    assert html(compose([make_entry()])) == alone
