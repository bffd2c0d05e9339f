"""The plots: for each row, how many times as fast as the reference everybody is."""

import html
import math
import os

import report
import rows

COLOURS = {"imgmount": "#0b6e4f", "null": "#9aa0a6", "reference": "#333333", "other": "#d9822b"}
LEFT, WIDTH, STEP, TOP = 300, 520, 26, 58
LEAST, MOST = 1 / 64, 32


def speeds(row, runs):
    """How many times as fast as the reference: {name: factor}."""
    name = report.reference(row, runs)
    if name is None or "imgmount" not in runs:
        return None, {}
    base = report.median(runs[name])
    found = {}
    for other, measured in runs.items():
        value = report.median(measured)
        if base and value:
            found[other] = value / base if row.more_is_better else base / value
    return name, found


def at(factor):
    """Where on the axis, which is logarithmic."""
    share = math.log(min(max(factor, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + WIDTH * share


def text(x, y, words, anchor="start", colour="#333", size=12):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{size}">{html.escape(words)}</text>')


def mark(name, factor, base, y):
    """A dot for one of them, with its name where one points at it."""
    kind = "reference" if name == base else name if name in COLOURS else "other"
    radius = 6 if name == "imgmount" else 4
    label = html.escape(f"{name}: {factor:.2f}")
    return (f'<circle cx="{at(factor):.1f}" cy="{y}" r="{radius}" fill="{COLOURS[kind]}">'
            f"<title>{label}</title></circle>")


def goal_mark(row, y):
    """A line where the goal is, where that is a ratio."""
    if not row.goal or not row.goal.against:
        return ""
    x = at(row.goal.bound if row.more_is_better else 1 / row.goal.bound)
    return f'<path d="M{x:.1f} {y - 9}v18" stroke="#b00020" stroke-width="2"/>'


def draw(title, chosen, known):
    """One plot as SVG."""
    height = TOP + STEP * len(chosen) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 40}" '
             f'height="{height}" font-family="sans-serif">',
             '<rect width="100%" height="100%" fill="#fff"/>', text(10, 20, title, size=15)]
    legend = LEFT
    for name, kind in (("imgmount", "imgmount"), ("FUSE's limit", "null"),
                       ("reference", "reference"), ("others", "other")):
        parts.append(f'<circle cx="{legend}" cy="38" r="5" fill="{COLOURS[kind]}"/>')
        parts.append(text(legend + 9, 42, name))
        legend += 110
    parts.append(f'<path d="M{legend} 29v18" stroke="#b00020" stroke-width="2"/>')
    parts.append(text(legend + 9, 42, "goal"))
    factor = LEAST
    while factor <= MOST:
        x, strong = at(factor), factor == 1
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{height - 24}" '
                     f'stroke="{"#888" if strong else "#e4e4e4"}"/>')
        words = f"{factor:g} ×" if factor >= 1 else f"1/{1 / factor:g}"
        parts.append(text(x, height - 8, words, "middle", "#666"))
        factor *= 2
    for number, row in enumerate(chosen):
        y = TOP + STEP * number + STEP // 2
        base, found = speeds(row, known[row.name]["runs"])
        parts.append(text(LEFT - 12, y + 4, f"{row.name} / {base}", "end"))
        parts.append(goal_mark(row, y))
        order = sorted(found, key=lambda name: name == "imgmount")
        parts += [mark(name, found[name], base, y) for name in order]
    return "\n".join([*parts, "</svg>", ""])


def write(folder, known):
    """Writes the plots of what was measured; gives their names."""
    names = []
    for name, title, views in (
        ("files.svg", "Files of an image: times as fast as the reference", ("files",)),
        ("containers.svg", "Containers: times as fast as the reference", ("disk", "inside", "verb")),
    ):
        chosen = [row for row in rows.ROWS if row.view in views and row.unit != "MiB"
                  and row.name in known and speeds(row, known[row.name]["runs"])[1]]
        if chosen:
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(draw(title, chosen, known))
            names.append(name)
    return names
