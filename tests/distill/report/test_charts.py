"""Charts: real text, the same bytes, readable axes, and no markup of names."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from kerneldistill.report.charts import Line, Scales, line_chart, power
from kerneldistill.report.palette import TONES, series, themed

X = np.arange(1.0, 30)
SCALES = Scales("step", "loss")


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(each.itertext()).strip() for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_equal_lines_give_equal_bytes_and_text_is_text() -> None:
    first, again = (line_chart("loss", "Loss", [Line("a run", X, 1 / X, 0)], SCALES) for _ in range(2))
    assert first == again
    assert {"step", "loss"} <= set(texts(first.svg))
    assert "a run" not in texts(first.svg)  # one line needs no legend
    assert "<dc:date>" not in first.svg


def test_a_legend_names_what_has_a_name() -> None:
    lines = [Line("one", X, X, 0), Line("two", X, 2 * X, 1), Line("", X, 3 * X, 2, dashed=True)]
    assert {"one", "two"} <= set(texts(line_chart("c", "C", lines, SCALES).svg))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$\\frac{1}{", "a_b^c & d", "\u7532\u9aa8\u6587"])
def test_names_are_drawn_as_they_are(name: str) -> None:
    chart = line_chart("c", "C", [Line(name, X, X, 0), Line("other", X, X, 1)], SCALES)
    assert name in texts(chart.svg)
    assert f"{name}: from 1 at 1 to 29 at 29" in chart.alt


def test_long_names_keep_their_end() -> None:
    lines = [Line(f"{'runs/' * 20}{which}", X, X, 0) for which in ("first", "second")]
    drawn = texts(line_chart("c", "C", lines, SCALES).svg)
    assert sum(text.startswith("\N{HORIZONTAL ELLIPSIS}") for text in drawn) == 2
    assert any(text.endswith("second") for text in drawn)


def test_axes_over_decades_are_logarithmic_and_others_are_not() -> None:
    log = Scales("step", "loss", log_y=True)
    wide = texts(line_chart("c", "C", [Line("a", X, 10.0**-X, 0)], log).svg)
    assert any("10\N{SUPERSCRIPT MINUS}" in text for text in wide)
    narrow = texts(line_chart("c", "C", [Line("a", X, 1 + X / 30, 0)], log).svg)
    assert "1.2" in narrow
    assert not any("10\N{SUPERSCRIPT MINUS}" in text for text in narrow)


def test_parts_are_in_per_cent_and_end_at_a_hundred() -> None:
    drawn = texts(line_chart("c", "C", [Line("a", X, X / 29, 0)], Scales("x", "accuracy", percent=True)).svg)
    assert "100 %" in drawn
    assert not [text for text in drawn if re.fullmatch(r"1[1-9]0 %|105 %", text)]


@pytest.mark.parametrize("y", [np.zeros(29), np.full(29, 0.5), np.full(29, np.inf)])
def test_odd_values_are_drawn_without_a_warning(y: np.ndarray) -> None:
    line_chart("c", "C", [Line("a", X, y, 0)], Scales("x", "y", log_x=True, log_y=True))


def test_themed_drawings_have_no_colour_of_their_own() -> None:
    chart = line_chart("c", "C", [Line("a", X, X, 0), Line("b", X, X, 11, dashed=True)], SCALES)
    assert f"stroke: {series(0).light}" in chart.svg
    assert not re.findall("#[0-9a-f]{6}", re.sub(r'(href|url\()="?#\w+', "", themed(chart.svg)).replace("url(#", ""))
    assert series(11) == series(3)


def test_colours_can_be_told_from_the_page() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    by_name = {tone.name: tone for tone in TONES}
    for tone in TONES:
        for kind in ("light", "dark"):
            high, low = sorted((luminance(getattr(tone, kind)), luminance(getattr(by_name["paper"], kind))))[::-1]
            needed = {"paper": 1.0, "line": 1.1, "ink": 12.0, "muted": 4.5}.get(tone.name, 3.0)
            assert (high + 0.05) / (low + 0.05) >= needed, (tone, kind)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001, "0.001"), (250.0, "250"), (1e-7, "10⁻⁷"), (2e-5, "2·10⁻⁵"), (1e12, "10¹²"), (1000.0, "1000")],
)
def test_powers(value: float, text: str) -> None:
    assert power(value) == text
