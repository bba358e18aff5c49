# SPDX-License-Identifier: GPL-2.0-only
"""Most retries of one fault by touch."""

from matplotlib.ticker import FuncFormatter, NullFormatter

import cells
from figures.drawing import strategy_labels, strategy_dots, names_left
from figures.kind import Kind, RUN, contest_groups, contest_text
from load import plain
from number import counted
from plot import INK, Sheet, grouped, quiet_grid, styles


def _retried(result):
    """As contest_groups of dos, of strategies that retry a fault; where the result does not say which do, of "
    "those that did."""
    did = {row["strategy"] for row in result.rows.values() if row.get("retries_max")}
    found = {}
    for key, panels in contest_groups(result, "dos").items():
        kept = {fs: [cell for cell in group if cell.best["retries_max"] is not None and not cells.is_refused(cell.best)
                     and _retries_faults(result.words, cell.best["strategy"], did)] for fs, group in panels.items()}
        kept = {fs: group for fs, group in kept.items() if group}
        if kept:
            found[key] = kept
    return found


def _retries_faults(words, strategy, did):
    family = words.family(strategy)
    return strategy in did if family is None else family == "sync_retry"


def _retries(panels, result):
    """The most retries that a fault took, by kind of touch."""
    style_of = styles(result)
    touches = sorted({cell.best["touch"] for group in panels.values() for cell in group},
                     key=lambda touch: result.words.rank("touch", touch))
    names = strategy_labels(result, panels)
    sheet = Sheet(1, len(panels), (3.0, 0.26 * len(touches) + 0.15), touches, legend=strategy_dots(names, style_of))
    most = max(cell.best["retries_max"] for group in panels.values() for cell in group)
    for index, (ax, (fs, group)) in enumerate(zip(sheet.axes, panels.items())):
        for cell in group:
            row = cell.best
            step = 0.5 / max(1, len(names) - 1) if len(names) > 1 else 0
            y = touches.index(row["touch"]) + (names.index(cell.label) - (len(names) - 1) / 2) * step
            colour, marker = style_of(cell.label)
            dot, = ax.plot(row["retries_max"], y, color=colour, marker=marker, ms=6, mec=INK, mew=0.4, ls="none")
            sheet.mark(dot, row, f"{cell.label}, {row['touch']} by {row['attackers']}: at most "
                                 f"{counted(row['retries_max'], 'retry', 'retries')} of one fault")
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(-0.15, max(10, most) * 1.6)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        quiet_grid(ax, "both")
        names_left(ax, touches, index == 0)
        ax.set_title(plain(fs), loc="left")
        ax.set_xlabel("most retries of one fault")
    return sheet


KIND = Kind(130, "retries", "Most retries of one fault by touch",
            "Of all runs and numbers of attackers; one that was still "
            "retried when its run ended is counted.", "dos with a strategy that retries",
            RUN + "--workload dos --state written --strategy 'sync_retry*' --touch utimens,append,truncate --out "
            "more/retries", _retried, contest_text, _retries, "dos")
