# SPDX-License-Identifier: GPL-2.0-only
"""What the probes add to a fault."""

from matplotlib.lines import Line2D

import table
from figures.drawing import strategy_labels, shown_states, names_left
from figures.kind import Kind, RUN, section_text, only
from load import plain
from plot import INK, Sheet, linear, quiet_grid, styles

STATE_MARKERS = ("o", "s", "^", "D", "v", "P")


def _taxed(result):
    return {key: group for key, group in only(
        result, lambda cell: cell.tax() is not None and cell.off["per_fault"] > 0).items() if key[3] == "t1"}


def _tax(panels, result):
    """What probes add to a fault, in percent of it: a mark a state."""
    context, style_of = result.context, styles(result)
    names, states = strategy_labels(result, panels), shown_states(result, panels)
    markers = {state: STATE_MARKERS[result.words.rank("state", state) % len(STATE_MARKERS)] for state in states}
    handles = [Line2D([], [], color=INK, marker=markers[state], ls="none", ms=5, label=state) for state in states]
    sheet = Sheet(1, len(panels), (2.6, 0.19 * len(names) + 0.1), names, legend=handles)
    shares = {}
    for fs, group in panels.items():
        for cell in group:
            shares[fs, cell.label, cell.any["state"]] = cell.tax() * 100 / cell.off["per_fault"]
    low, high = min([0, *shares.values()]), max([1, *shares.values()])
    for index, (ax, (fs, group)) in enumerate(zip(sheet.axes, panels.items())):
        for cell in group:
            state, share = cell.any["state"], shares[fs, cell.label, cell.any["state"]]
            dot, = ax.plot(share, names.index(cell.label), color=style_of(cell.label)[0], marker=markers[state],
                           ms=5, ls="none", mec=INK, mew=0.4)
            sheet.mark(dot, cell.on, f"{share:+.2f} %: {cell.tax():+.1f} on {table.number(cell.off['per_fault'])} "
                                     f"{context['unit']} per fault")
        pad = (high - low) * 0.06
        ax.set_xlim(low - pad, high + pad)
        linear(ax.xaxis, 5)
        quiet_grid(ax, "both")
        names_left(ax, names, index == 0)
        ax.set_title(plain(fs), loc="left")
        ax.set_xlabel("percent of a fault")
    return sheet


KIND = Kind(90, "tax", "What the probes add to a fault",
            "Cell minus twin, in percent of the twin.", "cells with and without probes",
            RUN + "--probes on --out more/tax", _taxed, section_text, _tax)
