# SPDX-License-Identifier: GPL-2.0-only
"""The table of a result: as data (which `--json` prints and the page shows) and as text for a terminal."""

import textwrap
import unicodedata

import cells
import kara2017
from load import plain

WIDTH = 80
VIRTUAL_NOTE = ("a virtual count is the length of the path in instructions: it knows nothing of caches, TLBs or the "
                "medium")
WALL_NOTE = "wall time is real time on one machine: it varies with the machine and its load"
PROBED_NOTE = "* no twin without probes was measured: the figure contains what the probes cost"
NO_TAX_NOTE = "- not measured; a tax needs the cell with probes and its twin without"
QUANTILES = ("p50", "p90", "p99", "p99_9", "max")


def build(result):
    """The table of a Result as data that JSON can hold.

    `sections` holds one entry per kernel, file system, workload, order and number of threads; its `rows` come by
    state, the baseline `volatile` first. `per_fault` and `per_page` are of the twin without probes (`probed_only`:
    of the probed row, there is no twin), `ratio` is per_page over that of `volatile` in the same state, all in
    `unit`. What could not be measured is null, and `not_measured` says why.
    """
    context = result.context
    virtual = context["time_domain"] == "virtual"
    return {
        "path": result.path,
        "time_domain": context["time_domain"], "unit": context["unit"], "accel": context["accel"],
        "note": VIRTUAL_NOTE if virtual else WALL_NOTE,
        "complete": context["complete"], "reason": "" if context["complete"] else context["reason"],
        "notes": result.notes,
        "cells": cells.tally(result.rows),
        "sections": [_section(context, key, group) for key, group in cells.sections(result.rows).items()
                     if any(cell.best for cell in group)],
        "kara2017": kara2017.compare(result),
        "not_measured": cells.not_measured(result.rows),
    }


def text(table):
    """The table (as build returns it) for a terminal: lines of at most 80 columns, ending in a newline."""
    lines = []
    unit = f"unit {table['unit']} ({table['time_domain']})"
    lines += _wrap(f"{table['path']}: accelerator {table['accel']}, {unit}")
    lines += _wrap(table["note"])
    lines += _wrap(summary(table))
    for note in table["notes"]:
        lines += _wrap(f"note: {note}")
    starred = dashed = False
    for section in table["sections"]:
        lines.append("")
        lines += _wrap(f"{section['kernel']} (kernel {section['release']}), {section['fs']}, {section['workload']}, "
                       f"{section['order']}, threads {section['threads']}; {table['unit']}")
        lines += _grid(section["rows"])
        starred |= any(row["probed_only"] for row in section["rows"])
        dashed |= any(row["tax"] is None for row in section["rows"])
    lines += kara2017.text(table["kara2017"], number)
    if starred or dashed:
        lines.append("")
    if starred:
        lines += _wrap(PROBED_NOTE)
    if dashed:
        lines += _wrap(NO_TAX_NOTE)
    for group in table["not_measured"]:
        lines.append("")
        lines += _wrap(f"{group['status']}: {group['reason']}")
        for name in group["cells"]:
            lines += _wrap(name, "  ")
    return "\n".join(lines) + "\n"


def summary(table):
    """One line: how many cells have which status, and whether the run is complete."""
    counts = table["cells"]
    if not any(counts.values()):
        line = "no cells: this result holds no measurement"
    else:
        line = "cells: " + ", ".join(f"{count} {status}" for status, count in counts.items())
        if not table["sections"]:
            line += "; none was measured"
    if not table["complete"]:
        line += f"; the run is INCOMPLETE: {table['reason']}"
    return line


def number(value, sign=False):
    """A figure in at most nine columns; `-` for None."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1e8:
        form = ".2e"
    elif size >= 1000 or value == int(value):
        form = ".0f"
    else:
        form = ".1f" if size >= 10 else ".2f"
    return format(value, "+" + form if sign else form)


def _section(context, key, group):
    kernel, fs, workload, order, threads = key
    return {"kernel": kernel, "release": context["kernels"].get(kernel, {}).get("release", "unknown"), "fs": fs,
            "workload": workload, "order": order, "threads": threads,
            "rows": [_row(group, cell) for cell in group if cell.best]}


def _row(group, cell):
    shown, on = cell.best, cell.on if cells.is_ok(cell.on) else None
    return {
        "strategy": cell.label, "state": shown["state"], "probed_only": cell.probed_only,
        "per_fault": shown["per_fault"], "per_page": shown["per_page"], "loop_cost": shown["loop_cost"],
        "ratio": cells.baseline_ratio(group, cell),
        "tax": cell.tax("per_fault"), "tax_page": cell.tax("per_page"),
        "probed_per_fault": on["per_fault"] if on else None, "probed_per_page": on["per_page"] if on else None,
        "syncs_per_fault": cell.syncs_per_fault,
        **{q: on[q] if on else None for q in QUANTILES},
    }


COLUMNS = (("strategy", lambda r: r["strategy"] + "*" * r["probed_only"]),
           ("state", lambda r: r["state"]),
           ("per_fault", lambda r: number(r["per_fault"])),
           ("per_page", lambda r: number(r["per_page"])),
           ("ratio", lambda r: "-" if r["ratio"] is None else number(r["ratio"]) if r["ratio"] >= 1000 else
            f"{r['ratio']:.2f}"),
           ("tax", lambda r: number(r["tax"], sign=True)),
           ("syncs/fault", lambda r: "-" if r["syncs_per_fault"] is None else f"{r['syncs_per_fault']:.3f}"))


def _grid(rows):
    grid = [[title for title, _ in COLUMNS]] + [[form(row) for _, form in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*grid)]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1))
    lines = []
    for row in grid:
        row[0] = _cut(row[0], widths[0])
        left = [cell.ljust(width) for cell, width in zip(row[:2], widths)]
        lines.append("  ".join(left + [cell.rjust(width) for cell, width in zip(row[2:], widths[2:])]).rstrip())
    return lines


def _cut(word, width):
    return word if len(word) <= width else word[:width - 1] + "~"


def _columns(word):
    """How many columns a terminal gives the word."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in word)


def _wrap(line, indent=""):
    line = plain(line)
    # textwrap counts characters; half the columns are enough for any text with wide ones
    width = WIDTH if _columns(line) == len(line) else WIDTH // 2
    return textwrap.wrap(line, width, initial_indent=indent, subsequent_indent=indent + "  ",
                         break_on_hyphens=False) or [""]
