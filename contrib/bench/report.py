"""What was measured: as text, as JSON, and as the tables of the README."""

import json
import os
import statistics

import rows

BEGIN, END = "<!-- by contrib/bench/run --markdown -->", "<!-- end -->"


def shown(value, unit):
    """A value as people read it."""
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
    return f"{value:,.0f}{'' if unit == '/s' else ' '}{unit}"


def median(runs):
    return statistics.median(run["value"] for run in runs)


def ratios(ours, theirs):
    """Ours over theirs, round by round."""
    return [own["value"] / other["value"] for own, other in zip(ours, theirs) if other["value"]]


def spread(found):
    """The median, and the least and the most where there are several."""
    middle = f"{statistics.median(found):.2f}"
    return middle if len(found) < 2 else f"{middle} ({min(found):.2f}–{max(found):.2f})"


def reference(row, runs):
    """Of those that the goal, or without one the row, is against: the best that was measured."""
    named = row.goal.against if row.goal and row.goal.against else (row.against,)
    there = [name for name in named if name in runs]
    best = max if row.more_is_better else min
    return best(there, key=lambda name: median(runs[name])) if there else None


def judged(row, runs):
    """Whether the goal is reached; None where nobody can say."""
    ours = runs.get("imgmount")
    if not ours or not row.goal:
        return None
    value = median(ours)
    if row.goal.against:
        other = reference(row, runs)
        if other is None:
            return None
        value = statistics.median(ratios(ours, runs[other]))
    return value >= row.goal.bound if row.more_is_better else value <= row.goal.bound


def goal(row):
    """The goal in words."""
    if row.goal is None:
        return "–"
    sign = "≥" if row.more_is_better else "≤"
    if not row.goal.against:
        return f"{sign} {shown(row.goal.bound, row.unit)}"
    who = row.goal.against[0] if len(row.goal.against) == 1 else "qemu-img's best"
    return f"{sign} {row.goal.bound:g} × {who}"


def cells(row, measured):
    """Row, goal, peers, limit, us."""
    head = [f"`{row.name}`: {row.title}, {row.state}", goal(row)]
    runs = (measured or {}).get("runs", {})
    ours = runs.get("imgmount")
    if not ours:
        reason = (measured or {}).get("absent", {}).get("imgmount", "not measured yet")
        return [*head, "", "", reason]
    others = []
    for name, theirs in runs.items():
        if name in ("imgmount", "null"):
            continue
        few = f", {len(theirs)} ×" if len(theirs) < len(ours) else ""
        found = ratios(ours, theirs)
        others.append(f"{name} {shown(median(theirs), row.unit)}{few}" +
                      (f": {spread(found)}" if found else ""))
    limit = ""
    if "null" in runs and ratios(ours, runs["null"]):
        least = statistics.median(ratios(ours, runs["null"]))
        reached = least if row.more_is_better else 1 / least
        limit = shown(median(runs["null"]), row.unit)
        limit += "" if row.unit == "MiB" else f", {reached:.0%} reached"
    mark = {True: " ✓", False: " ✗", None: ""}[judged(row, runs)]
    return [*head, "; ".join(others), limit, f"{shown(median(ours), row.unit)}{mark}"]


def differing(row, measured):
    """Those who read something else than the reference, or than us."""
    first = {name: runs[0]["digest"] for name, runs in measured["runs"].items() if name != "null"}
    seen = {name: digest for name, digest in first.items() if digest}
    if len(set(seen.values())) < 2:
        return []
    named = [name for name in (row.against, *seen) if name in seen and name != "imgmount"]
    right = seen[named[0]]
    return [name for name, digest in seen.items() if digest != right]


def line(row, measured):
    """One row for the terminal."""
    _, wanted, others, limit, ours = cells(row, measured)
    text = [f"{row.name} ({row.title}; {row.state}): {ours}   goal {wanted}"]
    text += [f"    {other}" for other in others.split("; ") if other]
    text += [f"    null {limit}"] if limit else []
    most = {name: max(run["memory"] for run in runs) for name, runs in measured["runs"].items()}
    held = ", ".join(f"{name} {most[name]:.0f}" for name in most if most[name])
    text += [f"    largest resident memory, MiB: {held}"] if held else []
    text += [f"    {name}: absent: {why}" for name, why in measured["absent"].items()]
    text += [f"    {name} READ SOMETHING ELSE" for name in differing(row, measured)]
    text.append(f"    {measured['seconds']:.0f} s for this row")
    return "\n".join(text)


def table(known):
    """The large table of the README."""
    head = ["row", "goal", "peers: value, and ours over it", "limit (FUSE here)", "us"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows.ROWS:
        lines.append("| " + " | ".join(cells(row, known.get(row.name))) + " |")
    return lines


def short(known):
    """The table of the product's README: our values, and everybody else's with the ratio."""
    lines = ["| work | imgmount | others, and imgmount's value over theirs |", "|---|---|---|"]
    for row in [row for row in rows.ROWS if row.name in rows.SHORT]:
        _, _, others, _, ours = cells(row, known.get(row.name))
        title = rows.SHORT[row.name]
        lines.append(f"| {title} | {ours.rstrip(' ✓✗')} | {others or '–'} |")
    return lines


def machine(results):
    """The machine and who was measured."""
    if not results.get("machine"):
        return ["Nothing has been measured yet."]
    about = results["machine"]
    lines = [f"Medians of {results['rounds']} rounds on {about['date']}: {about['processors']} × "
             f"{about['model']}, {about['memory']} GiB, {about['system']}, as {about['user']}, "
             f"{results['size']} size. {about['notes']}", ""]
    lines += [f"* {name}: {says}" for name, says in results["versions"].items()]
    absent = [f"{name} ({why})" for name, why in results["absent"].items()]
    return [*lines, f"* absent: {', '.join(absent)}"] if absent else lines


def load(path):
    """The results in a file; none where there is no file."""
    if not os.path.exists(path):
        return {"rows": {}}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def save(path, results):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1, sort_keys=True)
        file.write("\n")


def put(path, lines):
    """Puts lines between the markers in a file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + "\n".join([BEGIN, "", *lines, "", END]) + after)


def write_readme(path, results, plots):
    """The tables and plots of the benchmark's README, and the short table of the product's."""
    lines = [*machine(results), "", *table(results["rows"])]
    for plot in plots:
        lines += ["", f"![{plot.split('.')[0]}]({plot})"]
    put(path, lines)
    top = os.path.join(os.path.dirname(path), "../../README.md")
    put(top, short(results["rows"]))
