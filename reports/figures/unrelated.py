# SPDX-License-Identifier: GPL-2.0-only
"""A fault beside unrelated dirty inodes."""

from matplotlib.lines import Line2D

import cells
import claims
import load
import table
from figures.drawing import unit_text, room_for, QUANTILE_MARKER, QUANTILE_LABEL
from figures.kind import Kind, RUN
from load import plain
from plot import INK, Sheet, grouped, logarithmic, quiet_grid, styles


def _beside(result):
    """{(kernel, state): {fs: {strategy: [(dirty inodes, Cell)]}}} of the workload unrelated."""
    groups = {}
    for cell in cells.cells(result):
        row = cell.any
        if row["workload"] == claims.UNRELATED and cells.is_ok(cell.on) and cell.on["max"]:
            lines = groups.setdefault((row["kernel"], row["state"]), {}).setdefault(row["fs"], {})
            lines.setdefault(cell.label, []).append((load.unrelated(row), cell))
    return {key: panels for key, panels in groups.items()
            if any(len(points) > 1 for lines in panels.values() for points in lines.values())}


def _dirt(panels, result):
    """Median and longest fault against unrelated dirty inodes; a panel a file system, a line a strategy."""
    context, style_of = result.context, styles(result)
    points_of = [points for lines in panels.values() for points in lines.values()]
    counts = sorted({n for points in points_of for n, _ in points})
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    shown = (("max", "-"), ("p50", (0, (4, 2))))
    handles = [Line2D([], [], color=style_of(name)[0], lw=1.6, label=name) for name in names]
    handles += [Line2D([], [], color=INK, marker=QUANTILE_MARKER[q], ls=dash, ms=5, label=QUANTILE_LABEL[q])
                for q, dash in shown]
    values = [max(1, cell.on[q]) for points in points_of for _, cell in points for q, _ in shown]
    sheet = Sheet(1, len(panels), (3.0, 2.2), room_for(values), legend=handles)
    for index, (ax, (fs, lines)) in enumerate(zip(sheet.axes, panels.items())):
        logarithmic(ax, "y", min(values), max(values))
        for name, points in lines.items():
            for q, dash in shown:
                found = sorted((counts.index(n), max(1, cell.on[q]), cell) for n, cell in points)
                ax.plot([x for x, _, _ in found], [y for _, y, _ in found], color=style_of(name)[0], ls=dash, lw=1.6)
                for x, y, cell in found:
                    dot, = ax.plot(x, y, color=style_of(name)[0], marker=QUANTILE_MARKER[q], ms=5.5, mec=INK, mew=0.4)
                    sheet.mark(dot, cell.on, f"{name}, {counts[x]} dirty inodes: {QUANTILE_LABEL[q]} {table.number(y)} "
                                             f"{context['unit']}")
        ax.set_xlim(-0.4, len(counts) - 0.6)
        ax.set_xticks(range(len(counts)), [grouped(n) for n in counts])
        quiet_grid(ax, "y")
        ax.set_title(plain(fs), loc="left")
        ax.tick_params(axis="y", labelleft=index == 0)
        ax.set_xlabel("dirty inodes of other files")
        if index == 0:
            ax.set_ylabel(unit_text(context, "fault"))
    return sheet


KIND = Kind(50, "unrelated", "A fault beside unrelated dirty inodes",
            "Each fault is taken after the inodes of so many other files were dirtied; with probes. The counts are no "
            "scale.", "the workload unrelated",
            RUN + "--workload unrelated --state hole --strategy map_sync --out more/unrelated", _beside,
            lambda key: ", ".join(key), _dirt)
