# SPDX-License-Identifier: GPL-2.0-only
"""Entries of 4 KiB and of 2 MiB."""

from matplotlib.patches import Patch

import cells
import stats
import table
from figures.drawing import unit_text, names_left
from figures.kind import Kind, RUN, along
from plot import INK, Sheet, logarithmic, quiet_grid, styles


def _orders(result):
    return {key[:2]: panels for key, panels in along(result, "order").items() if key[-1] == "t1"}


HATCHES = ("", "////", "....")  # of the sizes that the kernel mapped, the small one first
MARKERS = ("o", "s", "^")  # of those that were asked for


def _order(panels, result):
    """Share of the touches that the kernel mapped as each size, and what a page costs so."""
    context, style_of = result.context, styles(result)
    rows = {}
    for (fs, state), lines in panels.items():
        for name, points in lines.items():
            for order, cell in points:
                rows[fs, result.words.rank("state", state), result.words.strategy_rank(cell.any), name, order] = cell
    orders = _sizes(result.words)
    hatch, marker = (dict(zip(orders, looks)) for looks in (HATCHES, MARKERS))
    keys = sorted(rows, key=lambda key: (*key[:4], orders.index(key[4])))
    names = [f"{key[0]}, {key[3]}, {rows[key].any['state']}, {key[4]}" for key in keys]
    handles = [Patch(facecolor="#56B4E9", edgecolor=INK, linewidth=0.4, hatch=hatch[order], label=f"mapped as {order}")
               for order in orders[:len(HATCHES)]]
    sheet = Sheet(1, 2, (3.0, 0.19 * len(names) + 0.1), names, legend=handles, right=0.5)
    costs = [cell.best["per_page"] for cell in rows.values() if cell.best["per_page"] > 0]
    if not costs:
        return None
    share, cost = sheet.axes
    for y, key in enumerate(keys):
        cell, colour = rows[key], style_of(key[3])[0]
        left = 0
        for order, value in mapped_shares(cell, result.words).items():
            if value:
                bar, = share.barh(y, value * 100, 0.76, left=left, color=colour, hatch=hatch[order],
                                  edgecolor=INK, linewidth=0.4)
                sheet.mark(bar, cell.best, f"{value:.1%} of the touches mapped as {order}")
                left += value * 100
        if cell.best["per_page"] > 0:
            dot, = cost.plot(cell.best["per_page"], y, color=colour, marker=marker[key[4]], ms=5.5,
                             mec=INK, mew=0.4, ls="none")
            sheet.mark(dot, cell.best, f"{table.number(cell.best['per_page'])} {context['unit']} per page of 4 KiB")
    share.set_xlim(0, 100)
    share.set_xlabel("percent of the touches")
    logarithmic(cost, "x", min(costs), max(costs))
    cost.set_xlabel(unit_text(context, "page"))
    for ax, shown in ((share, True), (cost, False)):
        quiet_grid(ax, "both" if ax is cost else "x")
        names_left(ax, names, shown)
    return sheet


def _sizes(words):
    """The sizes of an entry, the small one first, which is the default."""
    return sorted(words.ids("order"), key=lambda order: order != words.default("order"))


def mapped_shares(cell, words):
    """{order: share of the cell's touches that the kernel mapped so}. A cell that asked for huge entries and fell back
    has some of both: each touch that fell back is one of the small."""
    row, small = cell.best, words.default("order")
    mapped = row["mapped_order"]
    if mapped not in words.ids("order"):
        return {}
    fell = cell.on["fallbacks"] if cells.is_ok(cell.on) and row["order"] != small else 0
    huge = 0 if mapped == small else 1 - min(1, stats.ratio(fell or 0, row["touches"]) or 0)
    return {small: 1 - huge, **({mapped: huge} if mapped != small else {})}


KIND = Kind(80, "orders", "Entries of 4 KiB and of 2 MiB",
            "Left: what the kernel mapped the touches with. Right: the cost of a page of 4 KiB, 512 of which one 2 MiB "
            "entry maps.", "the same cells as pte and as pmd",
            RUN + "--strategy volatile,map_sync,fsync:8 --order pte,pmd --state unwritten,written --out more/orders",
            _orders, lambda key: ", ".join(key), _order)
