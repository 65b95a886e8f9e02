"""How the errors of a sweep fall with the number of images: power laws with intervals, beside the kernel's spectrum."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kerneldistill.algorithms.power_law import LEVEL, PowerLaw, power_law
from kerneldistill.report.charts import Line, Scales, line_chart
from kerneldistill.report.document import Beside, Block, Chart, Paragraph, Table
from kerneldistill.report.number_format import NONE

Row = Mapping[str, str]

# Runs that are alike in these differ in their number of images.
_ALIKE = ("command", "dataset", "architecture", "whiten", "l", "aug")
_SAID = {
    "l True": "labels learned",
    "l False": "labels not learned",
    "aug True": "augmented",
    "aug False": "not augmented",
}


class Quantity(NamedTuple):
    """What falls with the number of images. name: of it. spectrum: of its kernel, in the index. value: of a row."""

    name: str
    spectrum: str
    value: Callable[[Row], float]


_QUANTITIES = (
    Quantity("test error of the sets", "spectrum", lambda row: 1 - _number(row, "test_acc")),
    Quantity("test error of random real images", "random_spectrum", lambda row: 1 - _number(row, "random_acc")),
    Quantity("test mse of the sets", "spectrum", lambda row: _number(row, "test_mse")),
    Quantity("test mse of random real images", "random_spectrum", lambda row: _number(row, "random_mse")),
)
_READING = (
    "An error that falls as images^-a is a line on these axes; its interval is that of least squares, {level:.0%}. "
    "Kernel regression on images whose kernel has eigenvalues that fall as index^-(1 + a) has errors of the same a "
    "(2102.06701); that of the spectrum is of the run with most images, its first eigenvalue left out."
)


class Course(NamedTuple):
    """One quantity of runs that are alike.

    kind: what they are, in words; "" where there is one kind
    quantity: which
    sizes, values: float [n]
    law: fitted to them
    spectrum: exponent of the spectrum less 1, with its interval, as text
    """

    kind: str
    quantity: Quantity
    sizes: np.ndarray
    values: np.ndarray
    law: PowerLaw
    spectrum: str


def scaling(rows: Sequence[Row]) -> list[Block]:
    """Return a table of exponents and charts, from the rows of a sweep's index.

    Nothing, where no runs that are alike have three sizes.

    Raises:
      ValueError: a figure is no number.
    """
    found = list(courses(rows))
    if not found:
        return []
    header = ("of", "runs", "images", "exponent a", f"{LEVEL:.0%} interval", "of the spectrum, interval")
    table = Table("Exponents", header, [_cells(course) for course in found])
    charts = [
        chart
        for name, title in (("test error", "Test error by images"), ("test mse", "Test mse by images"))
        if (chart := _chart(title, [course for course in found if course.quantity.name.startswith(name)])) is not None
    ]
    return [Paragraph(_READING.format(level=LEVEL)), table, Beside(charts)]


def courses(rows: Sequence[Row]) -> Iterator[Course]:
    """Yield every quantity of runs that are alike and have sizes enough."""
    kinds: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row.get("test_acc"):
            kinds[tuple(row.get(key) or "" for key in _ALIKE)].append(row)
    for kind, alike in kinds.items():
        for quantity in _QUANTITIES:
            points = sorted((_number(row, "ssize"), quantity.value(row)) for row in alike)
            sizes, values = np.array([point for point in points if point[1] > 0]).reshape(-1, 2).T
            law = power_law(sizes, values)
            if law is not None:
                yield Course(_told_apart(kind, list(kinds)), quantity, sizes, values, law, _spectrum(quantity, alike))


def _number(row: Row, key: str) -> float:
    return float(row.get(key) or "nan")


def _told_apart(kind: tuple[str, ...], kinds: Sequence[tuple[str, ...]]) -> str:
    """What kinds differ in."""
    differ = [i for i in range(len(_ALIKE)) if len({each[i] for each in kinds}) > 1]
    return ", ".join(_SAID.get(f"{_ALIKE[i]} {kind[i]}", kind[i]) for i in differ)


def _spectrum(quantity: Quantity, alike: Sequence[Row]) -> str:
    largest = max(alike, key=lambda row: _number(row, "ssize"))
    exponent, low, high = (_number(largest, f"{quantity.spectrum}{end}") - 1 for end in ("", "_low", "_high"))
    return f"{exponent:.2f}, {low:.2f} to {high:.2f}" if exponent == exponent else NONE


def _cells(course: Course) -> tuple[str, ...]:
    law = course.law
    name = course.quantity.name + (f": {course.kind}" if course.kind else "")
    images = f"{course.sizes.min():,.0f} to {course.sizes.max():,.0f}"
    return name, str(law.points), images, f"{law.exponent:.2f}", f"{law.low:.2f} to {law.high:.2f}", course.spectrum


def _chart(title: str, found: Sequence[Course]) -> Chart | None:
    lines: list[Line] = []
    kinds = list(dict.fromkeys(course.kind for course in found))
    for course in found:
        random = "random" in course.quantity.name
        name = ", ".join(filter(None, ("random real" if random else "the sets", course.kind)))
        run = 2 * kinds.index(course.kind) + random
        ends = np.array([course.sizes.min(), course.sizes.max()])
        lines.append(Line(name, course.sizes, course.values, run, dots=True))
        lines.append(Line("", ends, course.law.at(ends), run, dashed=True))
    unit = title.split()[1]
    scales = Scales("images", f"test {unit}", log_x=True, log_y=True)
    return line_chart(f"scaling-{unit}", f"{title}, dashed: the power law", lines, scales) if lines else None
