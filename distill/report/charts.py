"""Line charts as SVG: small, in real text, the same bytes for the same lines."""

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from kerneldistill.report.document import Chart
from kerneldistill.report.palette import INK, LINE, MUTED, series

# Inches, of 72 units of the drawing each.
WIDTH, HEIGHT = 5.2, 3.1
LEGEND_ROW = 0.21
# Above and below the axes: their names.
_ABOVE, _BELOW = 0.34, 0.48
# Letters of a name that have room in half a legend.
_LEGEND_NAME = 30
# Letters of three names that have room in one row.
_LEGEND_ROW_NAMES = 44
# A logarithmic axis over less than this has too few ticks to be read.
_DECADE = 12

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it is read out, searched, and in the page's font
    "svg.hashsalt": "kerneldistill",
    "text.parse_math": False,
    "font.size": 10,
    "font.family": "DejaVu Sans",  # comes with matplotlib: places are the same on every machine
    "axes.edgecolor": MUTED.light,
    "axes.labelcolor": MUTED.light,
    "xtick.color": MUTED.light,
    "ytick.color": MUTED.light,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "grid.color": LINE.light,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
}


@dataclass(frozen=True, eq=False)
class Line:
    """Points that are joined.

    name: for the legend; "" for none
    x, y: float [n]
    run: gives the colour; None is grey
    dashed, dots: how
    joined: False for dots alone
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    run: int | None
    dashed: bool = False
    dots: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Scales:
    """What the axes are.

    x, y: what they count, with the unit
    log_x, log_y: whether they are logarithmic
    percent: whether y is a part of 1, shown in per cent
    whole: whether x counts things
    """

    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    percent: bool = False
    whole: bool = False


def line_chart(name: str, caption: str, lines: Sequence[Line], scales: Scales) -> Chart:
    """Draw lines over one another."""
    named = [line for line in lines if line.name]
    columns = 3 if sum(len(line.name) for line in named) < _LEGEND_ROW_NAMES else 2
    legend_rows = math.ceil(len(named) / columns) if len(named) > 1 else 0
    height = HEIGHT + LEGEND_ROW * legend_rows
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Where places are measured the font may lack a letter of a name; the reader's font draws it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0.12, _BELOW / height, 0.865, (HEIGHT - _BELOW - _ABOVE) / height))
        for line in lines:
            _draw(axes, line)
        _scale(axes, scales)
        if legend_rows:
            _legend(axes, columns)
        buffer = io.StringIO()
        none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=none, transparent=True)
    return Chart(name, caption, spoken(caption, lines, scales), buffer.getvalue())


def spoken(caption: str, lines: Sequence[Line], scales: Scales) -> str:
    """Return a chart in words: where each line begins and ends, and its extremes."""
    told = [_told(line, scales) for line in lines if line.name and len(line.y)]
    return f"{caption}. {scales.y} against {scales.x}. {' '.join(told)}"


def _told(line: Line, scales: Scales) -> str:
    def value(y: float) -> str:
        return f"{100 * y:.1f} %" if scales.percent else f"{y:.3g}"

    first, last = f"{value(line.y[0])} at {line.x[0]:.4g}", f"{value(line.y[-1])} at {line.x[-1]:.4g}"
    return f"{line.name}: from {first} to {last}, least {value(line.y.min())}, most {value(line.y.max())}."


def _draw(axes: Axes, line: Line) -> None:
    colour = MUTED if line.run is None else series(line.run)
    axes.plot(
        line.x,
        line.y,
        color=colour.light,
        label=_cut(line.name) if line.name else "_",
        linewidth=1.3 if line.dashed else 1.9,
        linestyle="none" if not line.joined else (0, (3, 2)) if line.dashed else "-",
        zorder=2 if line.dashed else 3,
        marker="o" if line.dots else None,
        markersize=3.6 if len(line.x) <= 40 else 2.0,
        solid_capstyle="round",
    )


def _scale(axes: Axes, scales: Scales) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y")
    axes.set_xlabel(scales.x)
    # Above the axis and level: a name on its side is hard to read.
    axes.set_title(scales.y, loc="left", fontsize=10, color=MUTED.light, x=-0.1, pad=6)
    axes.margins(x=0.02, y=0.08)
    for axis, log in ((axes.xaxis, scales.log_x), (axes.yaxis, scales.log_y)):
        low, high = axis.get_data_interval()
        if log and 0 < _DECADE * low < high:
            (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
            axis.set_major_locator(LogLocator(10, numticks=7))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
        else:
            whole = scales.whole and axis is axes.xaxis
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=whole))
    if scales.percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.set_ylim(top=min(axes.get_ylim()[1], 1.03))


def _cut(name: str) -> str:
    """Cut a long name at its beginning: the end of a path tells runs apart."""
    return name if len(name) <= _LEGEND_NAME else f"…{name[1 - _LEGEND_NAME :]}"


def _legend(axes: Axes, columns: int) -> None:
    axes.figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=9.5,
        labelcolor=INK.light,
        borderaxespad=0,
        borderpad=0,
        handlelength=2.0,
        columnspacing=1.6,
        labelspacing=0.35,
    )


def power(value: float) -> str:
    """Return a number on a logarithmic axis: plain from 0.001 to 1,000, else a power of ten."""
    if 1e-3 <= value <= 1e3:
        return f"{value:g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    factor = round(value / 10**exponent)
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if factor == 1 else f"{factor}·10{raised}"
