# SPDX-License-Identifier: GPL-2.0-only
"""Cost per page over the price of a written line: where one strategy overtakes another, and where media lie."""

from matplotlib.lines import Line2D

import cells
import medium
import table
from figures.drawing import grid_of, label_panel, lines_legend, room_for
from figures.kind import Kind, RUN, only, section_text
from plot import INK, Sheet, logarithmic, styles

PRICES = (1, 1000)  # instructions a line, from end to end of the axis
POINTS = 60


def _observed(result):
    """{key of cell_groups: {(fs, state): [Cell]}} of cells whose written lines were counted, two and more in a panel."""
    found = {}
    for key, group in only(result, lambda cell: cells.is_ok(cell.off) and _cost(result, cell)).items():
        panels = {}
        for fs, several in group.items():
            for cell in several:
                panels.setdefault((fs, cell.any["state"]), []).append(cell)
        panels = {panel: several for panel, several in panels.items() if len(several) > 1}
        if panels:
            found[key] = panels
    return found


def _cost(result, cell):
    """(per_page, written lines) of a Cell; None where these were not counted."""
    return medium.median_row(result.samples[cell.off["name"]])


def _at(cost, price):
    return cost[0] + price * cost[1]


def _crossings(costs):
    """[(price, cost)] at which two of the costs are the same, within the axis."""
    found = []
    for index, a in enumerate(costs):
        for b in costs[index + 1:]:
            price = medium.crossing(a, b).price
            if price is not None and PRICES[0] <= price <= PRICES[1]:
                found.append((price, _at(a, price)))
    return found


def _lines(panels, result):
    context, style_of = result.context, styles(result)
    file_systems, states = grid = grid_of(result, panels)
    dash, handles = lines_legend(result, {cell.label: cell for several in panels.values() for cell in several})
    handles.append(Line2D([], [], color=INK, marker="x", ms=5, ls="none", label="two cost the same"))
    media = [(name, price) for name, price in medium.Cpu().prices(medium.load_media()).items() if price]
    prices = [PRICES[0] * (PRICES[1] / PRICES[0]) ** (step / POINTS) for step in range(POINTS + 1)]
    values = [_at(_cost(result, cell), price) for several in panels.values() for cell in several for price in PRICES]
    sheet = Sheet(len(file_systems), len(states), (2.9, 2.1), room_for(values), legend=handles)
    for index, ax in enumerate(sheet.axes):
        several = panels.get((file_systems[index // len(states)], states[index % len(states)]))
        if several is None:
            ax.set_visible(False)
            continue
        logarithmic(ax, "x", *PRICES)
        ax.set_xticks([1, 10, 100])
        logarithmic(ax, "y", min(values), max(values))
        for level, (name, (low, high)) in enumerate(media):
            ax.axvspan(max(low, PRICES[0]), min(high, PRICES[1]), ymin=0.02 + 0.05 * level, ymax=0.05 + 0.05 * level, color=INK,
                       alpha=0.35, lw=0)
            ax.text(min(high, PRICES[1]) * 1.1, 0.035 + 0.05 * level, name, fontsize=7, va="center",
                    transform=ax.get_xaxis_transform())
        costs = [_cost(result, cell) for cell in several]
        for cell, cost in zip(several, costs):
            colour, marker = style_of(cell.label)
            ax.plot(prices, [_at(cost, price) for price in prices], color=colour, lw=1.5, ls=dash[cell.label])
            dot, = ax.plot(PRICES[0], _at(cost, PRICES[0]), color=colour, marker=marker, ms=4.5)
            sheet.mark(dot, cell.off, f"{cell.label}: {table.number(cost[0])} {context['unit']} and {cost[1]:.4g} written lines a page")
        for turn in _crossings(costs):
            ax.plot(*turn, color=INK, marker="x", ms=5, ls="none")
        ax.set_xlim(*PRICES)
        label_panel(ax, index, grid, context, f"price of a written line ({context['unit']})")
    return sheet


KIND = Kind(95, "lineprice", "What a page costs over the price of a written line",
            "The price is what the CPU could have executed while the medium takes a line of 64 bytes. Bars: the cited media for 0.5 "
            "to 2 cycles an instruction at 3 GHz (modelled; `faultline media`).", "what cells store to the medium",
            RUN + "--observe vector --strategy volatile,fsync:8,fsync:64,map_sync --out more/lineprice", _observed, section_text,
            _lines)
