# SPDX-License-Identifier: GPL-2.0-only
"""What several kinds of figures draw alike."""

from matplotlib.lines import Line2D

import table
from load import plain
from plot import Sheet, logarithmic, quiet_grid, styles
from table import QUANTILES

QUANTILE_MARKER = dict(zip(QUANTILES, ("o", "s", "^", "D", "*")))
QUANTILE_LABEL = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "max"}


def histogram(cell):
    """The buckets of a cell's faults that hold any."""
    fault = (cell.on["probe"] or {}).get("fault") or {}
    return [bucket for bucket in fault.get("histogram") or () if bucket[2] > 0]


def strategy_labels(result, panels):
    """Strategy labels that any panel shows, in reading order."""
    found = {cell.label: result.words.strategy_rank(cell.any) for group in panels.values() for cell in group}
    return sorted(found, key=found.get)


def strategy_dots(names, style_of):
    """A legend's entries for strategies that are drawn as dots."""
    return [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1], ms=5.5, ls="none", label=name)
            for name in names]


def shown_states(result, panels):
    found = {cell.any["state"] for group in panels.values() for cell in group}
    return [state for state in result.words.ids("state") if state in found]


def unit_text(context, per):
    """The label of an axis."""
    return f"{context['unit']} per {per} ({context['time_domain']})"


def names_left(ax, names, shown):
    """Names down the left side of a panel, or room for them."""
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), names if shown else [""] * len(names))
    ax.tick_params(axis="y", length=0, labelsize=8)
    ax.spines["left"].set_visible(False)


def room_for(values):
    """Names as wide as the numbers on an upright axis of these values, and its label."""
    return ["0" * 13] if max(values) >= 4e5 else []


def lines_legend(result, shown):
    """({label: dash}, a legend's entries) for strategies that are drawn as lines. shown: {label: Cell}."""
    style_of = styles(result)
    ordered = sorted(shown, key=lambda name: result.words.strategy_rank(shown[name].any))
    ids = {name: cell.any["strategy"] for name, cell in shown.items()}
    dash = {name: dash_of(name, [other for other in ordered if ids[other] == ids[name]]) for name in ordered}
    return dash, [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1], ms=4.5, lw=1.5, ls=dash[name], label=name)
                  for name in ordered]


def grid_of(result, panels):
    """(file systems, states) of panels {(fs, state): ...}: a row of panels each, and a column."""
    return (list(dict.fromkeys(fs for fs, _ in panels)),
            [state for state in result.words.ids("state") if any(state == its for _, its in panels)])


def label_panel(ax, index, grid, context, xlabel):
    """Title and labels of a panel of grid_of, the index-th, that holds costs of a page."""
    file_systems, states = grid
    row, column = divmod(index, len(states))
    quiet_grid(ax, "y")
    ax.set_title(plain(f"{file_systems[row]}, {states[column]}"), loc="left")
    ax.tick_params(axis="y", labelleft=column == 0)
    if column == 0:
        ax.set_ylabel(unit_text(context, "page"))
    if row == len(file_systems) - 1:
        ax.set_xlabel(xlabel)


def draw_lines(panels, xs, ticks, result, xlabel, slant=False):
    """per_page over something: a row of panels a file system, a column a state, a line a strategy."""
    context, style_of = result.context, styles(result)
    file_systems, states = grid = grid_of(result, panels)
    dash, handles = lines_legend(result, {name: points[0][1] for lines in panels.values() for name, points in lines.items()})
    values = [cell.best["per_page"] for lines in panels.values() for points in lines.values() for _, cell in points
              if cell.best["per_page"] > 0]
    if not values:
        return None
    sheet = Sheet(len(file_systems), len(states), (max(2.6, 0.55 * len(xs)), 2.0), room_for(values), legend=handles,
                  below=0.75 if slant else 0.5)
    for index, ax in enumerate(sheet.axes):
        fs, state = file_systems[index // len(states)], states[index % len(states)]
        logarithmic(ax, "y", min(values), max(values))
        for name, points in panels.get((fs, state), {}).items():
            colour, marker = style_of(name)
            found = sorted((xs.index(x), cell.best["per_page"], cell) for x, cell in points
                           if cell.best["per_page"] > 0)
            ax.plot([x for x, _, _ in found], [y for _, y, _ in found], color=colour, lw=1.5, ls=dash[name])
            for x, y, cell in found:
                dot, = ax.plot(x, y, color=colour, marker=marker, ms=4.5)
                sheet.mark(dot, cell.best, f"{name}: {table.number(y)} {context['unit']} per page")
        ax.set_xlim(-0.4, len(xs) - 0.6)
        ax.set_xticks(range(len(xs)), [plain(tick) for tick in ticks], rotation=25 if slant else 0,
                      ha="right" if slant else "center")
        label_panel(ax, index, grid, context, xlabel)
    return sheet


DASHES = ("-", (0, (5, 1.5)), (0, (2, 1)), (0, (1, 1)), (0, (6, 1, 1, 1)))


def dash_of(name, alike):
    """A strategy's lines with several K, `alike`, have one colour: dashes tell them apart."""
    return DASHES[alike.index(name) % len(DASHES)]
