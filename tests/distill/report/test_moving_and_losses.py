"""What moves in a report, and losses that are of several kinds."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from kerneldistill.config.schema import LossConfig
from kerneldistill.report.document import Beside, Chart, Moving, Section
from kerneldistill.report.html import html
from kerneldistill.report.report import compose
from kerneldistill.report.sections.images import images
from kerneldistill.report.sections.learning import learning
from kerneldistill.runs.training.evolution import moving
from tests.helpers.pages import Page
from tests.helpers.reports import make_entry

SUBJECT = make_entry()


def blocks_of(section: Section, kind: type) -> list[Any]:
    flat = [each for block in section.blocks for each in (block.blocks if isinstance(block, Beside) else [block])]
    return [block for block in flat if isinstance(block, kind)]


def test_losses_of_several_kinds_have_axes_of_their_own() -> None:
    mse = make_entry("a")
    entropy = replace(make_entry("b"), config=replace(mse.config, loss=LossConfig("cross_entropy")))
    together = [chart for chart in blocks_of(learning([mse, make_entry("b")]), Chart) if chart.name.startswith("loss")]
    assert [chart.name for chart in together] == ["loss"]
    apart = [chart for chart in blocks_of(learning([mse, entropy]), Chart) if chart.name.startswith("loss")]
    assert [chart.name for chart in apart] == ["loss-mse", "loss-cross-entropy"]
    assert "a: from" in apart[0].alt
    assert "b: from" not in apart[0].alt
    assert "b: from" in apart[1].alt


def test_images_that_evolved_are_shown_moving() -> None:
    frames = [Image.new("RGB", (40, 20), colour) for colour in ("black", "white", "red")]
    subject = replace(SUBJECT, evolution=moving(frames))
    (shown,) = blocks_of(images([subject]), Moving)
    assert "3 moments" in shown.caption
    assert shown.gif == subject.evolution
    with Image.open(io.BytesIO(shown.still)) as still:
        red, green, blue = np.asarray(still.convert("RGB"), int)[5, 5]
    assert red > 200 > green + blue
    page = Page(html(compose([subject])))
    (moves,) = [image for image in page.named("img") if image.attributes["src"].startswith("data:image/gif")]
    assert moves.attributes["alt"]
    (calm,) = page.named("source")
    assert calm.attributes["media"] == "(prefers-reduced-motion: reduce)"
    assert blocks_of(images([SUBJECT]), Moving) == []
