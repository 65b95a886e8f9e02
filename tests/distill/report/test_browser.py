"""The page in a real browser: drawn, whole at every width, light and dark, and deaf to names."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerneldistill.report.html import html
from kerneldistill.report.palette import PAPER, series
from kerneldistill.report.report import compose
from kerneldistill.report.sweep_page import sweep_page
from tests.helpers.reports import make_entry

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or google-chrome on PATH to look with")

# Run in a copy of the page without its policy, which lets no script run.
MEASURE = """<script>addEventListener("load", () => {
  const root = document.documentElement, images = [...document.images];
  const drawn = [...document.querySelectorAll("svg.chart, table")];
  const told = document.createElement("pre");
  told.id = "measured";
  told.textContent = JSON.stringify({
    title: document.title,
    overflow: root.scrollWidth - root.clientWidth,
    images: images.length,
    broken: images.filter(image => !image.complete || !image.naturalWidth).length,
    flat: drawn.filter(each => each.getBoundingClientRect().height < 20).length,
    paper: getComputedStyle(root).backgroundColor,
  });
  document.body.append(told);
})</script>"""
POLICY = re.compile("<meta http-equiv=.Content-Security-Policy.[^>]*>")


def browse(page: Path, width: int, height: int, *options: str) -> str:
    """What a headless browser prints."""
    home = page.parent / "profile"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={home}", f"--window-size={width},{height}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=page.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(page: Path, width: int, *options: str) -> dict:
    """What the page's own copy measures of itself."""
    text = page.read_text(encoding="utf-8")
    assert len(POLICY.findall(text)) == 1
    copy = page.with_name("measured.html")
    copy.write_text(POLICY.sub("", text).replace("</body>", f"{MEASURE}</body>"), encoding="utf-8")
    printed = browse(copy, width, 900, "--dump-dom", *options)
    return json.loads(re.search('<pre id="measured">(.*?)</pre>', printed, re.DOTALL).group(1))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one with a name and classes that would be markup."""
    hostile = "<script>document.title='run by a name'</script>"
    classes = ('"><img src=x onerror="document.title=1">', "a rather long name of a class", "cat")
    entry = make_entry(hostile)
    entry = replace(entry, learned=entry.learned._replace(class_names=classes))
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(html(compose([entry, make_entry("second", seed=1)])), encoding="utf-8")
    return file


def test_it_fits_wide_and_narrow_and_nothing_is_broken(page: Path) -> None:
    for width, options, paper in ((1280, (), PAPER.light), (500, ("--force-dark-mode",), PAPER.dark)):
        found = measured(page, width, *options)
        assert found["title"] == "2 runs on tiny 1.0.0"
        assert found["overflow"] <= 0
        assert found["images"] > 30
        assert found["broken"] == 0
        assert found["flat"] == 0
        assert found["paper"] == f"rgb({', '.join(str(int(paper[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_it_is_drawn_in_its_colours(page: Path) -> None:
    picture = page.with_name("page.png")
    browse(page, 1280, 5000, f"--screenshot={picture}")
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (5000, 1280, 3)
    assert tuple(pixels[0, 0]) == tuple(bytes.fromhex(PAPER.light[1:]))
    for run in (0, 1):
        colour = np.array(list(bytes.fromhex(series(run).light[1:])))
        assert np.sum(np.abs(pixels.astype(int) - colour).max(axis=2) <= 2) > 300, f"the lines of run {run}"


# Clicks on the name of a column and tells in which order the runs are then.
CLICK = """<script>addEventListener("load", () => {
  const told = document.createElement("pre"), orders = [];
  told.id = "measured";
  for (const name of ["test accuracy", "test accuracy", "run"]) {
    [...document.querySelectorAll("th button")].find(button => button.textContent === name).click();
    const sorted = document.querySelector("th[aria-sort]");
    orders.push([sorted.getAttribute("aria-sort"), [...document.querySelectorAll("tbody th")].map(e => e.textContent)]);
  }
  told.textContent = JSON.stringify(orders);
  document.body.append(told);
})</script>"""


def test_the_runs_of_a_sweep_are_sorted_by_a_click(tmp_path: Path) -> None:
    rows = [
        {"run": "b", "test_acc": "0.09", "status": "done"},
        {"run": "a", "test_acc": "0.5", "status": "done"},
        {"run": "d", "test_acc": "", "status": "failed"},
        {"run": "c", "test_acc": "1e-1", "status": "done"},
    ]
    text = sweep_page(tmp_path, rows)
    (policy,) = POLICY.findall(text)
    added = base64.b64encode(hashlib.sha256(CLICK[8:-9].encode()).digest()).decode()
    # The page's own script runs under its own policy, which lets in this one, too.
    page = tmp_path / "sweep.html"
    page.write_text(
        text.replace(policy, policy.replace("script-src ", f"script-src 'sha256-{added}' ")).replace(
            "</body>", f"{CLICK}</body>"
        )
    )
    printed = browse(page, 1280, 900, "--dump-dom")
    found = json.loads(re.search('<pre id="measured">(.*?)</pre>', printed, re.DOTALL).group(1))
    assert found == [
        ["ascending", ["b", "c", "a", "d"]],
        ["descending", ["a", "c", "b", "d"]],
        ["ascending", ["a", "b", "c", "d"]],
    ]
