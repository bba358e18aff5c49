# SPDX-License-Identifier: GPL-2.0-only
"""A sync every K writes against a sync in the fault: curves over K."""

import math

from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

import cells
import claims
import table
from answer import FSYNC
from figures.drawing import unit_text, room_for
from figures.kind import Kind, RUN, cell_groups, section_text
from load import plain
from number import first_k_text
from plot import CHARACTER, Sheet, logarithmic, quiet_grid, styles

# What a sync every K writes is set against: strategies whose fault syncs, and the floor.
LEVELS = (("map_sync", (0, (6, 2))), ("sync_fault", (0, (3, 1.5))), ("volatile", (0, (1, 1.5))))


def _curves(result):
    return {key: group for key, group in cell_groups(result).items()
            if any(len(_of_k(cells_, state)) > 1 for cells_ in group.values() for state in result.words.ids("state"))}


def _of_k(group, state, strategy=FSYNC):
    return [cell for cell in group if cell.any["state"] == state and cell.any["strategy"] == strategy
            and cell.any["writes_per_sync"] is not None]


def _curve(panels, result):
    """Cost of a page against K; map_sync, sync_fault and volatile as levels, the crossing marked."""
    context, style_of = result.context, styles(result)
    states = [state for state in result.words.ids("state")
              if any(len(_of_k(group, state)) > 1 for group in panels.values())]
    measured = [cell for group in panels.values() for cell in group if isinstance(cell.any["writes_per_sync"], int)]
    curved = [name for name in result.words.ids("strategy")
              if len({cell.any["writes_per_sync"] for cell in measured if cell.any["strategy"] == name}) > 1]
    ks = sorted({cell.any["writes_per_sync"] for group in panels.values() for cell in group
                 if cell.any["strategy"] in curved and isinstance(cell.any["writes_per_sync"], int)})
    if not states or not ks:
        return None
    beyond = ks[-1] * 8
    names = [name for name in (*curved, *(name for name, _ in LEVELS))
             if any(cell.any["strategy"] == name for group in panels.values() for cell in group)]
    dashes = dict(LEVELS)
    handles = [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1] if name in curved else None,
                      ls=dashes.get(name, "-"), lw=1.6, ms=4.5, label=name) for name in names]
    values = [cell.best["per_page"] for group in panels.values() for cell in group
              if cell.any["strategy"] in names and cell.any["state"] in states and cell.best["per_page"] > 0]
    if not values:
        return None
    sheet = Sheet(len(panels), len(states), (3.0, 2.1), room_for(values), legend=handles)
    for index, ax in enumerate(sheet.axes):
        fs, state = list(panels)[index // len(states)], states[index % len(states)]
        logarithmic(ax, "y", min(values), max(values))
        ax.set_xscale("log", base=2)
        ax.set_xlim(ks[0] / 1.6, beyond * 1.6)
        last = any(cell.any["writes_per_sync"] == "all" for name in curved for cell in _of_k(panels[fs], state, name))
        places = ks + [beyond] * last
        ax.set_xticks(places, _apart(places, [str(k) for k in ks] + ["all"] * last, 3.0 / math.log2(places[-1] / ks[0] * 2.56)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="x", which="minor", length=0)
        quiet_grid(ax, "y")
        _curve_panel(sheet, ax, panels[fs], state, (curved, beyond), result)
        ax.set_title(plain(f"{fs}, {state}"), loc="left")
        ax.tick_params(axis="y", labelleft=index % len(states) == 0)
        if index % len(states) == 0:
            ax.set_ylabel(unit_text(context, "page"))
        if index // len(states) == len(panels) - 1:
            ax.set_xlabel("K, writes per sync")
    return sheet


def _apart(places, words, doubling):
    """The words of those ticks that have room for one, "" of the others. doubling: inches from a K to twice that K."""
    found, end = [], -math.inf
    for place, word in zip(places, words):
        middle, half = math.log2(place) * doubling, CHARACTER * (len(word) + 1) / 2
        found.append(word if middle - half >= end else "")
        end = middle + half if found[-1] else end
    return found


def _curve_panel(sheet, ax, group, state, curves, result):
    context, style_of = result.context, styles(result)
    curved, beyond = curves
    unit = f"{context['unit']} per page"
    for name in curved:
        colour, marker = style_of(name)
        points = [(beyond if cell.any["writes_per_sync"] == "all" else cell.any["writes_per_sync"], cell)
                  for cell in _of_k(group, state, name) if cell.best["per_page"] > 0]
        ax.plot([x for x, _ in points], [cell.best["per_page"] for _, cell in points], color=colour, lw=1.6)
        for x, cell in points:
            dot, = ax.plot(x, cell.best["per_page"], color=colour, marker=marker, ms=4.5)
            sheet.mark(dot, cell.best, f"{table.number(cell.best['per_page'])} {unit}")
    costs = {cell.any["writes_per_sync"]: cell.best["per_page"] for cell in _of_k(group, state)
             if isinstance(cell.any["writes_per_sync"], int)}
    for nth, (name, dash) in enumerate(LEVELS):
        cell = cells.find(group, name, state)
        if cell is None or not cell.best or cell.best["per_page"] <= 0:
            continue
        level = cell.best["per_page"]
        line = ax.axhline(level, color=style_of(name)[0], ls=dash, lw=1.6)
        sheet.mark(line, cell.best, f"{table.number(level)} {unit}")
        at = claims.crossing(costs, level) if len(costs) > 1 and name != result.words.floor else None
        if at:
            ax.plot(at, level, marker="o", ms=9 + 4 * nth, mfc="none", mec=style_of(name)[0], mew=1.4)
            ax.annotate(f"{name}: K = {first_k_text(at)}", (at, level), (9, -11 if nth else 4), textcoords="offset points",
                        fontsize=7.5)


KIND = Kind(20, "syncs", "A sync every K writes against a sync in the fault",
            "Without probes. A ring in the colour of a level: from this K on fsync:K costs less than it (in brackets where the two "
            "meet, by a straight line in 1/K between two measured K).", "fsync at two K or more, map_sync, sync_fault",
            RUN + "--strategy fsync,map_sync,sync_fault,volatile --out more/syncs", _curves, section_text, _curve)
