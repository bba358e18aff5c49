# SPDX-License-Identifier: GPL-2.0-only
"""Slowdown, starvation and retries against the number of attackers."""

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

import cells
from figures.drawing import strategy_labels
from figures.kind import Kind, RUN, contest_groups, contest_text
from load import plain
from plot import Sheet, grouped, quiet_grid, styles

CROWD_COLUMNS = (
    ("worst slowdown, times", lambda row: row["slowdown"]),
    ("runs starved, percent", lambda row: row["starved"]["n"] * 100 / row["starved"]["of"]),
    ("most retries of a fault", lambda row: row["retries_max"] or 0))


def _crowds(result):
    found = {}
    for key, panels in contest_groups(result, "dos", attackers=False).items():
        if len({cell.best["attackers"] for group in panels.values() for cell in group}) > 1:
            found[key] = panels
    return found


def _crowd(panels, result):
    """Slowdown, starvation and retries against the number of attackers, the worst of the kinds of touch."""
    style_of = styles(result)
    names = strategy_labels(result, panels)
    counts = sorted({cell.best["attackers"] for group in panels.values() for cell in group})
    handles = [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1], ms=4.5, lw=1.5, label=name)
               for name in names]
    sheet = Sheet(len(panels), 3, (2.3, 1.8), legend=handles, gap=0.6, between=0.4)
    for index, ax in enumerate(sheet.axes):
        fs, (title, function) = list(panels)[index // 3], CROWD_COLUMNS[index % 3]
        most = 1
        for place, name in enumerate(names):
            worst = {}
            for cell in panels[fs]:
                if cell.label == name and not cells.is_refused(cell.best):
                    known = worst.get(cell.best["attackers"])
                    if known is None or function(cell.best) > function(known):
                        worst[cell.best["attackers"]] = cell.best
            points = [(counts.index(count) + 0.05 * (place - (len(names) - 1) / 2), function(row), row)
                      for count, row in sorted(worst.items())]
            colour, marker = style_of(name)
            ax.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, lw=1.4)
            for x, y, row in points:
                dot, = ax.plot(x, y, color=colour, marker=marker, ms=4.5, ls="none")
                sheet.mark(dot, row, f"{name}, {row['touch']} by {row['attackers']}: {y:.4g} ({title})")
                most = max(most, y)
        if index % 3 == 0:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
            ax.yaxis.set_minor_formatter(NullFormatter())
        elif index % 3 == 1:
            ax.set_ylim(-5, 105)
        else:
            ax.set_yscale("symlog", linthresh=1)
            ax.set_ylim(-0.2, most * 2)
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
            ax.yaxis.set_minor_formatter(NullFormatter())
        quiet_grid(ax, "y")
        ax.set_xlim(-0.4, len(counts) - 0.6)
        ax.set_xticks(range(len(counts)), [str(count) for count in counts])
        ax.set_title(plain(f"{fs}: {title}"), loc="left", fontsize=8.5)
        if index // 3 == len(panels) - 1:
            ax.set_xlabel("attackers")
    return sheet


KIND = Kind(120, "crowd", "Slowdown, starvation and retries against attackers",
            "For each strategy the worst of the kinds of touch. A slowdown of a run that starved is the least "
            "that it can "
            "be.", "dos with two numbers of attackers",
            RUN + "--workload dos --state written --touch utimens,append --attackers 0,1,2,4 --out more/crowd", _crowds,
            contest_text, _crowd, "dos")
