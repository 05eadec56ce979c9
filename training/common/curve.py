"""Draw a learning curve as SVG: every column of the metrics over the epochs, each on its own scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP = 640, 150, 150, 20
LEFT_OUT = ("epoch", "seconds")


def write_curve(path: Path, rows: Sequence[dict[str, float]]) -> None:
    """One chart a column, below each other; the ends of its scale are written beside it."""
    names = [name for name in rows[0] if name not in LEFT_OUT]
    charts = "".join(_chart(name, [row[name] for row in rows], at) for at, name in enumerate(names))
    size = f'width="{WIDTH}" height="{HEIGHT * len(names)}"'
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{charts}</svg>\n',
        encoding="utf-8",
    )


def _chart(name: str, values: Sequence[float], at: int) -> str:
    low, high = min(values), max(values)
    top, bottom = at * HEIGHT + TOP, (at + 1) * HEIGHT - TOP

    def point(index: int, value: float) -> str:
        across = LEFT + (WIDTH - LEFT - TOP) * index / max(len(values) - 1, 1)
        up = bottom - (bottom - top) * (value - low) / ((high - low) or 1.0)
        return f"{across:.1f},{up:.1f}"

    points = [point(index, value) for index, value in enumerate(values)]
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3"/>' for x, y in (p.split(",") for p in points))
    return (
        f'<text x="8" y="{(top + bottom) // 2}">{name}</text>'
        f'<text x="{LEFT - 8}" y="{top + 4}" text-anchor="end">{high:.4g}</text>'
        f'<text x="{LEFT - 8}" y="{bottom + 4}" text-anchor="end">{low:.4g}</text>'
        f'<polyline points="{" ".join(points)}" fill="none" stroke="black"/>{dots}\n'
    )
