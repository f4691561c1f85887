"""Bar charts as SVG, written by hand: a plotting library would be the largest thing in this repository."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LABELS, NUMBERS, ROW, TOP = 900, 430, 90, 24, 44
PLOT = WIDTH - LABELS - NUMBERS
COLOURS = {"good": "#2a9d5c", "fair": "#3b78c2", "bad": "#c8452f"}


@dataclass(frozen=True)
class Bar:
    """One row: its text, the length of its bar, the text behind the bar, and the positions of marks."""

    label: str
    value: float
    text: str
    colour: str = "fair"
    marks: tuple[float, ...] = ()


def draw(title: str, bars: Sequence[Bar], *, logarithmic: bool = False) -> str:
    """Return the chart as SVG, readable on light and on dark pages."""
    most = max(max(bar.value, *bar.marks, 0.0) for bar in bars)
    least = min(bar.value for bar in bars) / 2 if logarithmic else 0.0

    def at(value: float) -> float:
        if logarithmic:
            return PLOT * math.log(max(value, least) / least) / math.log(most / least)
        return PLOT * value / most

    height = TOP + ROW * len(bars) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for number, bar in enumerate(bars):
        top = TOP + ROW * number
        lines += [
            f'<text x="{LABELS - 8}" y="{top + 14}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{LABELS}" y="{top + 2}" width="{at(bar.value):.1f}" height="{ROW - 8}"'
            f' fill="{COLOURS[bar.colour]}"/>',
        ]
        lines += [
            f'<line x1="{LABELS + at(mark):.1f}" x2="{LABELS + at(mark):.1f}" y1="{top - 2}"'
            f' y2="{top + ROW - 4}" stroke="#222222" stroke-width="1.5"/>'
            for mark in bar.marks
        ]
        end = LABELS + at(max(bar.value, *bar.marks, 0.0))
        lines.append(f'<text x="{end + 6:.1f}" y="{top + 14}">{escape(bar.text)}</text>')
    return "\n".join([*lines, "</svg>", ""])
