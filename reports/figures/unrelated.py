# SPDX-License-Identifier: GPL-2.0-only
"""A durable page beside unrelated dirty inodes."""

from matplotlib.lines import Line2D

import cells
import claims
import load
import table
from figures.drawing import room_for, QUANTILE_MARKER
from figures.kind import Kind, RUN
from load import plain
from number import counted
from plot import INK, Sheet, grouped, logarithmic, quiet_grid, styles


def _beside(result):
    """{(kernel, state): {fs: {strategy: [(dirty inodes, Cell)]}}} of the workload unrelated."""
    groups = {}
    for cell in cells.cells(result):
        row = cell.any
        if row["workload"] == claims.UNRELATED and cell.best:
            lines = groups.setdefault((row["kernel"], row["state"]), {}).setdefault(row["fs"], {})
            lines.setdefault(cell.label, []).append((load.unrelated(row), cell))
    return {key: panels for key, panels in groups.items()
            if any(len(points) > 1 for lines in panels.values() for points in lines.values())}


def _page(cell):
    return cell.best["per_page"]


def _longest(cell):
    return cell.on["max"] if cells.is_ok(cell.on) else None


# What is drawn of a cell: (label, marker or None for the strategy's own, dash, function(cell) -> number or None).
SHOWN = (("a page", None, "-", _page), ("longest fault", QUANTILE_MARKER["max"], (0, (4, 2)), _longest))


def _dirt(panels, result):
    """A durable page, and the longest fault, against unrelated dirty inodes; a panel a file system, a line a strategy."""
    context, style_of = result.context, styles(result)
    points_of = [points for lines in panels.values() for points in lines.values()]
    counts = sorted({n for points in points_of for n, _ in points})
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    handles = [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1], ms=4.5, lw=1.6, label=name)
               for name in names]
    handles += [Line2D([], [], color=INK, marker=marker, ls=dash, ms=5, label=label) for label, marker, dash, _ in SHOWN]
    values = [of(cell) for points in points_of for _, cell in points for *_, of in SHOWN if of(cell)]
    if not values:
        return None
    sheet = Sheet(1, len(panels), (3.0, 2.2), room_for(values), legend=handles)
    for index, (ax, (fs, lines)) in enumerate(zip(sheet.axes, panels.items())):
        logarithmic(ax, "y", min(values), max(values))
        for name, points in lines.items():
            aside = 0.08 * (names.index(name) - (len(names) - 1) / 2)
            for label, marker, dash, of in SHOWN:
                found = sorted((counts.index(n), of(cell), cell) for n, cell in points if of(cell))
                ax.plot([x + aside for x, _, _ in found], [y for _, y, _ in found], color=style_of(name)[0], ls=dash, lw=1.6)
                for x, y, cell in found:
                    dot, = ax.plot(x + aside, y, color=style_of(name)[0], marker=marker or style_of(name)[1], ms=5.5, mec=INK, mew=0.4)
                    sheet.mark(dot, cell.on if of is _longest else cell.best,
                               f"{name}, {counted(counts[x], 'dirty inode')}: {label} {table.number(y)} {context['unit']}")
        ax.set_xlim(-0.4, len(counts) - 0.6)
        ax.set_xticks(range(len(counts)), [grouped(n) for n in counts])
        quiet_grid(ax, "y")
        ax.set_title(plain(fs), loc="left")
        ax.tick_params(axis="y", labelleft=index == 0)
        ax.set_xlabel("dirty inodes of other files")
        if index == 0:
            ax.set_ylabel(f"{context['unit']} ({context['time_domain']})")
    return sheet


KIND = Kind(50, "unrelated", "A durable page beside unrelated dirty inodes",
            "Each page is stored to after the inodes of so many other files were dirtied. A page is what all takes until it is "
            "durable, without probes; the longest fault is with probes, and an fsync is outside of it: what that pays for the "
            "others' inodes is in the page alone. The counts are no scale.", "the workload unrelated",
            RUN + "--workload unrelated --state hole --strategy map_sync --out more/unrelated", _beside,
            lambda key: ", ".join(key), _dirt)
