# SPDX-License-Identifier: GPL-2.0-only
"""Cost of a durable page: bars by strategy and state."""

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import cells
import table
from figures.drawing import strategy_labels, shown_states, unit_text, names_left
from figures.kind import Kind, RUN, cell_groups, section_text
from load import plain
from plot import INK, LEAST_WIDTH, MARGIN, NARROW_WIDTH, Sheet, grouped, linear, quiet_grid, styles


def _cost_groups(result):
    """As cell_groups; the spread of each cell's samples goes along. Threads and huge entries have figures of their own."""
    spread = {name: [row["per_page"] for row in rows if row["status"] == "ok"] for name, rows in result.samples.items()}
    return {key: (group, spread) for key, group in cell_groups(result).items() if key[3] == "t1" and key[2] == result.words.default("order")}


def _tax_patch():
    return Patch(facecolor="none", edgecolor=INK, hatch="/////", label="tax of the probes")


def _cost(data, result):
    """Cost of a durable page: a row of panels a file system, a column a state."""
    panels, states = data[0], shown_states(result, data[0])
    return _bars(data, result, [[(fs, state) for state in states] for fs in panels], 3.1)


def _narrow(data, result):
    """The same, all panels in one column, each with the strategies that were measured there."""
    panels, states = data[0], shown_states(result, data[0])
    measured = {(fs, cell.any["state"]) for fs, group in panels.items() for cell in group}
    return _bars(data, result, [[(fs, state)] for fs in panels for state in states if (fs, state) in measured], 0.5, NARROW_WIDTH)


NAME = 18  # characters of a strategy's name in a narrow figure
WORDS = 0.9  # inches of the words behind a bar


def _bars(data, result, grid, width, least=LEAST_WIDTH):
    """Bars from 0, of the strategies that were measured in a row of panels. grid: [[(fs, state)]], the panels of each row."""
    context, style_of = result.context, styles(result)
    panels, spread = data
    states = shown_states(result, panels)
    shown = [cell for group in panels.values() for cell in group]
    of_rows = [strategy_labels(result, {place: [cell for cell in panels[place[0]] if cell.any["state"] == place[1]] for place in row})
               for row in grid]
    is_narrow = least < LEAST_WIDTH
    longest = NAME if is_narrow else 1000
    handles = [_tax_patch()]
    if any(len(spread.get(cell.best["name"], ())) > 1 for cell in shown):
        handles.append(Line2D([], [], color=INK, lw=1.2, label="least to greatest sample"))
    sheet = Sheet(len(grid), len(grid[0]), (width, [0.19 * len(names) + 0.1 for names in of_rows]),
                  [name[:longest] for names in of_rows for name in names], legend=handles, below=0.3, between=0.32,
                  right=0.3 if is_narrow else MARGIN, least=least)  # the last number of an axis stands out of its panel
    most = {state: max((max(cell.best["per_page"], cell.best["per_page"] + (cell.tax("per_page") or 0))
                        for cell in shown if cell.any["state"] == state), default=0) or 1 for state in states}
    for index, ax in enumerate(sheet.axes):
        row, column = divmod(index, len(grid[0]))
        (fs, state), names = grid[row][column], of_rows[row]
        room = most[state] * max(1.5, 1 / (1 - WORDS / max(sheet.panel, 2 * WORDS)))
        for cell in panels[fs]:
            if cell.any["state"] != state:
                continue
            y, value = names.index(cell.label), cell.best["per_page"]
            ratio, tax = cells.baseline_ratio(result.words, panels[fs], cell), cell.tax("per_page")
            bar, = ax.barh(y, value, 0.74, color=style_of(cell.label)[0], edgecolor=INK if cell.probed_only else "none",
                           linestyle="--", linewidth=0.8)
            text = f"{table.number(value)} {context['unit']} per page"
            sheet.mark(bar, cell.best, text + (f", {ratio:.2f} times volatile" if ratio is not None else ""))
            end = value
            if tax:
                low, end = sorted((value, value + tax))
                if end - low > room / 300:  # thinner than a line it would only smear
                    ax.barh(y, end - low, 0.74, left=low, facecolor="none", edgecolor=INK, hatch="/////", linewidth=0.5)
            samples = spread.get(cell.best["name"], ())
            if len(samples) > 1:
                ax.plot([min(samples), max(samples)], [y, y], color=INK, lw=1.2, solid_capstyle="butt")
                end = max(end, *samples)
            words = grouped(round(value)) if value >= 100 else table.number(value)
            ax.text(end + room / 80, y, words + (f"  ×{ratio:.2f}" if ratio is not None else ""), va="center",
                    fontsize=7)
        ax.set_xlim(0, room)
        linear(ax.xaxis, 4)
        quiet_grid(ax, "x")
        ax.tick_params(axis="x", labelsize=8)
        names_left(ax, [name if len(name) <= longest else name[:longest - 1] + "\u2026" for name in names], column == 0)
        ax.set_title(plain(f"{fs}, {state}"), loc="left")
        if row == len(grid) - 1:
            ax.set_xlabel(unit_text(context, "page"), fontsize=8)
    return sheet


KIND = Kind(10, "cost", "Cost of a durable page by strategy and state",
            "Bars are of the twin without probes and begin at 0; each state has its own scale. Hatched: what "
            "the probes "
            "add (tax). ×: over volatile in the same state. A dashed outline: only measured with probes.",
            "cells without probes", RUN + "--out more/cost", _cost_groups, section_text, _cost, narrow=_narrow)
