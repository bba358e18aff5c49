# SPDX-License-Identifier: GPL-2.0-only
"""Longest stall of a bystander by touch."""

import cells
import table
from figures.drawing import strategy_labels, strategy_dots, names_left
from figures.kind import Kind, contest_text, contests_of
from load import plain
from plot import INK, Sheet, logarithmic, quiet_grid, styles


def _stalls(panels, result):
    """The longest that a bystander had to wait for one touch."""
    context, style_of = result.context, styles(result)
    touches = sorted({cell.best["touch"] for group in panels.values() for cell in group},
                     key=lambda touch: result.words.rank("touch", touch))
    names = strategy_labels(result, panels)
    shown = [cell.best for group in panels.values() for cell in group
             if not cells.is_refused(cell.best) and cell.best["progress_max"]]
    if not shown:
        return None
    sheet = Sheet(1, len(panels), (3.2, 0.34 * len(touches) + 0.15), touches, legend=strategy_dots(names, style_of))
    values = [row["progress_max"] for row in shown]
    for index, (ax, (fs, group)) in enumerate(zip(sheet.axes, panels.items())):
        for cell in group:
            row = cell.best
            if cells.is_refused(row) or not row["progress_max"]:
                continue
            step = 0.6 / max(1, len(names) - 1)
            y = touches.index(row["touch"]) + (names.index(cell.label) - (len(names) - 1) / 2) * step
            colour, marker = style_of(cell.label)
            dot, = ax.plot(row["progress_max"], y, color=colour, marker=marker, ms=6, mec=INK, mew=0.4, ls="none")
            sheet.mark(dot, row, f"{cell.label}, {row['touch']}: longest touch {table.number(row['progress_max'])} "
                                 f"{context['unit']}")
        logarithmic(ax, "x", min(values), max(values))
        quiet_grid(ax, "both")
        names_left(ax, touches, index == 0)
        ax.set_title(plain(fs), loc="left")
        ax.set_xlabel(f"longest touch, {context['unit']} ({context['time_domain']})")
    return sheet


KIND = Kind(150, "stalls", "Longest stall of a bystander by touch and strategy",
            "The longest single touch of all runs.", "contests of the workload bystander", "", contests_of("bystander"),
            contest_text, _stalls, "bystander")
