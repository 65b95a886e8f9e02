"""The colours of a report. Drawings are made in the light ones, and the page puts its own in their place.

Each light colour is written nowhere else, so that it can be found in an SVG. The series keep apart for colour-blind
readers (their lightness differs too) and have a contrast of 3 to 1 and more with either background, text 4.5 to 1.
"""

from typing import NamedTuple


class Tone(NamedTuple):
    """A colour. name: of its CSS variable. light, dark: #rrggbb on a light and on a dark page."""

    name: str
    light: str
    dark: str


INK = Tone("ink", "#1c2128", "#e8eaed")
MUTED = Tone("muted", "#5b6472", "#a2abb8")
LINE = Tone("line", "#dfe3e8", "#333a44")
PAPER = Tone("paper", "#ffffff", "#181b20")
SERIES = (
    Tone("series-0", "#2a5bd0", "#7aa2f7"),
    Tone("series-1", "#cf5a12", "#f5a15f"),
    Tone("series-2", "#12825c", "#5cc99b"),
    Tone("series-3", "#8a3cb4", "#cf9bef"),
    Tone("series-4", "#a67c00", "#e3c04f"),
    Tone("series-5", "#c02a66", "#f487b0"),
    Tone("series-6", "#147f92", "#62c4d6"),
    Tone("series-7", "#4b5563", "#c5ccd6"),
)
TONES = (INK, MUTED, LINE, PAPER, *SERIES)


def series(index: int) -> Tone:
    """Return the colour of a report's run number `index`; the ninth has the first's again."""
    return SERIES[index % len(SERIES)]


def themed(svg: str) -> str:
    """Return a drawing in CSS variables."""
    for tone in TONES:
        svg = svg.replace(tone.light, f"var(--{tone.name})")
    return svg


def variables(dark: bool) -> str:
    """Return CSS that gives every variable its value."""
    return " ".join(f"--{tone.name}: {tone.dark if dark else tone.light};" for tone in TONES)
