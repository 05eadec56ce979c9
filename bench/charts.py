"""The two charts of bench/README.md, drawn from bench/results as SVG."""

from __future__ import annotations

import json
from html import escape
from math import log10
from typing import Any

from bench.machine import RESULTS

WIDTH, ROW, LEFT, RIGHT = 640, 34, 170, 80
HEIGHT, MARGIN = 300, 50
OURS, OTHERS, INK = "#2563eb", "#94a3b8", "#1f2937"
FONT = f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}"'


def draw_charts() -> None:
    """Draw what there are results for."""
    for name, draw in (("peers", bars), ("sizes", line)):
        path = RESULTS / f"{name}.json"
        if path.exists():
            (RESULTS / f"{name}.svg").write_text(draw(json.loads(path.read_text())))


def bars(result: dict[str, Any]) -> str:
    """Photos a second of everybody, the fastest first."""
    speeds = sorted(result["photos_a_second"].items(), key=lambda one: -one[1])
    most = max(speed for _, speed in speeds)
    parts = []
    for at, (name, speed) in enumerate(speeds):
        y, length = 44 + at * ROW, (WIDTH - LEFT - RIGHT) * speed / most
        colour = OURS if name.startswith("Tagline") else OTHERS
        parts.append(f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="22" rx="3" fill="{colour}"/>')
        parts.append(f'<text x="{LEFT + length + 8:.1f}" y="{y + 16}">{speed:.1f}</text>')
    return _svg(44 + len(speeds) * ROW + 10, "Photos a second, classify, the same URLs", result, parts)


def line(result: dict[str, Any]) -> str:
    """Photos a second against the size of a job; both axes begin at nothing, sizes in powers."""
    points = sorted((int(size), speed) for size, speed in result["photos_a_second"].items())
    most, longest = max(speed for _, speed in points), max(log10(points[-1][0]), 1)
    bottom, wide, high = HEIGHT - MARGIN, WIDTH - 2 * MARGIN, HEIGHT - MARGIN - 50

    def place(size: int, speed: float) -> tuple[float, float]:
        return MARGIN + wide * log10(size) / longest, bottom - high * speed / most

    parts = [f'<path d="M{MARGIN} {bottom}h{wide}" stroke="{OTHERS}"/>']
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts.append(f'<polyline points="{way}" fill="none" stroke="{OURS}" stroke-width="2"/>')
    for size, speed in points:
        x, y = place(size, speed)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{OURS}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle">{speed:.0f}</text>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{size:,}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">photos in the job</text>')
    return _svg(HEIGHT, "Photos a second, by the size of the job", result, parts)


def _svg(height: int, title: str, result: dict[str, Any], parts: list[str]) -> str:
    machine = result["machine"]
    note = f"{result['measured_at'][:10]}, {machine['cores']} cores, {machine['cpu']}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" aria-label="{escape(title)}">'
    words = f'<text x="10" y="22" font-weight="600">{escape(title)}</text>'
    words += f'<text x="{WIDTH - 10}" y="22" text-anchor="end" font-size="11">{escape(note)}</text>'
    body = "\n".join(parts)
    return f'{head}\n<rect width="100%" height="100%" fill="#fff"/>\n<g {FONT}>\n{words}\n{body}\n</g>\n</svg>\n'
