# SPDX-License-Identifier: GPL-2.0-only
"""How long write faults take: the distribution."""

from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

import cells
import table
from figures.drawing import shown_states, unit_text, QUANTILE_MARKER, QUANTILE_LABEL, histogram
from figures.kind import Kind, RUN, section_text, only
from load import plain
from plot import INK, Sheet, logarithmic, quiet_grid, styles
from table import QUANTILES

QUANTILE_LEVEL = {"p50": 0.5, "p90": 0.1, "p99": 0.01, "p99_9": 0.001}


def _has_latency(cell):
    return cells.is_ok(cell.on) and bool(cell.on["max"]) and bool(histogram(cell))


def _latencies(result):
    return only(result, _has_latency)


def _distribution(panels, result):
    """The share of faults slower than x, on log axes; a line a strategy (of those with a K the least one)."""
    context, style_of = result.context, styles(result)
    states = shown_states(result, panels)
    chosen = {(fs, state): list({cell.any["strategy"]: cell for cell in reversed(group)
                                 if cell.any["state"] == state}.values())[::-1]
              for fs, group in panels.items() for state in states}
    names = list(dict.fromkeys(cell.label for group in chosen.values() for cell in group))
    rank = {cell.label: result.words.strategy_rank(cell.any) for group in chosen.values() for cell in group}
    handles = [Line2D([], [], color=style_of(name)[0], lw=1.6, label=name) for name in sorted(names, key=rank.get)]
    handles += [Line2D([], [], color=INK, marker=marker, ls="none", ms=4.5, label=QUANTILE_LABEL[q])
                for q, marker in QUANTILE_MARKER.items()]
    sheet = Sheet(len(panels), len(states), (3.0, 1.9), legend=handles)
    buckets = [bucket for group in chosen.values() for cell in group for bucket in histogram(cell)]
    least = max(1, min(low for low, _, _ in buckets))
    most = max([high for _, high, _ in buckets] + [cell.on["max"] for group in chosen.values() for cell in group])
    total = max(sum(count for _, _, count in histogram(cell)) for group in chosen.values() for cell in group)
    for index, ax in enumerate(sheet.axes):
        fs, state = list(panels)[index // len(states)], states[index % len(states)]
        logarithmic(ax, "x", least, max(most, least * 2))
        ax.set_yscale("log")
        ax.set_ylim(0.6 / total, 1.4)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g} %"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        quiet_grid(ax, "both")
        marked = {q: [] for q in QUANTILES}
        for cell in chosen[fs, state]:
            _survival(sheet, ax, cell, (context, style_of(cell.label)[0]), marked)
        for q, points in marked.items():
            if points:
                xs, ys, colours = zip(*points)
                ax.scatter(xs, ys, c=colours, marker=QUANTILE_MARKER[q], s=34 if q == "max" else 18, edgecolors=INK,
                           linewidths=0.4, zorder=3)
        ax.set_title(plain(f"{fs}, {state}"), loc="left")
        ax.tick_params(axis="y", labelleft=index % len(states) == 0)
        if index % len(states) == 0:
            ax.set_ylabel("faults slower than that")
        if index // len(states) == len(panels) - 1:
            ax.set_xlabel(unit_text(context, "fault"))
    return sheet


def _survival(sheet, ax, cell, how, marked):
    """One line; its quantiles go into `marked`, {quantile: [(x, y, colour)]}. how: (context, colour)."""
    context, colour = how
    buckets = sorted(histogram(cell))
    total = sum(count for _, _, count in buckets)
    xs, ys, above = [max(1, buckets[0][0])], [1.0], total
    for low, high, count in buckets:
        if low > xs[-1]:
            xs.append(low)
            ys.append(above / total)
        above -= count
        xs.append(high)
        ys.append(max(above, 0.5) / total)
    line, = ax.plot(xs, ys, color=colour, lw=1.5)
    sheet.mark(line, cell.on, ", ".join(f"{QUANTILE_LABEL[q]} {table.number(cell.on[q])}" for q in QUANTILES)
               + f" {context['unit']}")
    for q, level in QUANTILE_LEVEL.items():
        if cell.on[q] and level * total >= 1:
            marked[q].append((max(1, cell.on[q]), level, colour))
    marked["max"].append((max(1, cell.on["max"]), 1 / total, colour))


KIND = Kind(40, "latency", "How long write faults take",
            "The share of faults slower than x, of the whole fault as the probe saw it: it contains the "
            "probes' own cost. Of "
            "strategies with a K the least one; their sync is outside of the fault, and its price in the cost of a page alone.", "cells with probes",
            RUN + "--probes on --out more/latency", _latencies,
            section_text, _distribution)
