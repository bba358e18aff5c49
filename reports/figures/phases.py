# SPDX-License-Identifier: GPL-2.0-only
"""Phases of a write fault: stacked bars."""

from matplotlib.patches import Patch

import cells
import load
import table
from figures.drawing import unit_text, names_left
from figures.kind import Kind, RUN, section_text, only
from load import plain
from plot import Sheet, grouped, linear, quiet_grid

# Of the phases: the way to the block in blues and greys, from the sync on in reds.
WAY_COLOURS = ("#B8BCC2", "#E69F00", "#9DB9D6", "#5B8FC4", "#2F6AA6", "#7FA89B", "#C9D6A3")
SYNC_COLOURS = ("#F2B8A0", "#D55E00", "#E0812F", "#A63A00", "#6E1F2E")
SYNC = "sync"  # the first phase of a sync


def _phased(result):
    return only(result, lambda cell: cells.is_ok(cell.phases) and bool(cell.phases["phases"]))


def _phases(panels, result):
    """Phases of a fault as stacked bars, what the probes cost taken off where there is a twin."""
    context, words = result.context, result.words
    bars = sorted({(words.strategy_rank(cell.any), cell.label, words.rank("state", cell.any["state"]),
                    cell.any["state"])
                   for group in panels.values() for cell in group})
    names = [f"{label}, {state}" for _, label, _, state in bars]
    phases = {phase["id"] for group in panels.values() for cell in group for phase in cell.phases["phases"]}
    phases = sorted(phases, key=lambda name: (words.rank("phase", name), name))
    colours = phase_colours(words.ids("phase"))
    handles = [Patch(facecolor=colours[name], label=name) for name in phases]
    sheet = Sheet(len(panels), 1, (6.4, 0.24 * len(names) + 0.1), names, legend=handles, below=0.35)
    most = 1
    for ax, (fs, group) in zip(sheet.axes, panels.items()):
        for cell in group:
            row, left = cell.phases, 0
            y = names.index(f"{cell.label}, {row['state']}")
            of = {phase["id"]: phase["mean"] if phase["net"] is None else phase["net"] for phase in row["phases"]}
            total = sum(of.values())
            for name in phases:
                value = max(0, of.get(name) or 0)
                if value:
                    bar, = ax.barh(y, value, 0.76, left=left, color=colours[name])
                    sheet.mark(bar, row, f"{name}: {table.number(value)} {context['unit']} of {table.number(total)}")
                    left += value
            ax.text(left, y, f" {grouped(round(left))}", va="center", fontsize=7)
            most = max(most, left)
        ax.set_title(plain(fs), loc="left")
    for index, ax in enumerate(sheet.axes):
        ax.set_xlim(0, most * 1.12)
        linear(ax.xaxis, 6)
        quiet_grid(ax, "x")
        names_left(ax, names, True)
        if index == len(sheet.axes) - 1:
            ax.set_xlabel(unit_text(context, "fault"))
    return sheet


def phase_colours(phases):
    """{phase: colour} of all phases of a result, in their order."""
    after = phases.index(SYNC) if SYNC in phases else len(phases)
    found = {}
    for colours, part in ((WAY_COLOURS, phases[:after]), (SYNC_COLOURS, phases[after:])):
        part = [name for name in part if name != load.REST]
        found.update((name, colours[index % len(colours)]) for index, name in enumerate(part))
    return {**found, load.REST: "#7F7F7F"}


KIND = Kind(30, "phases", "Phases of a write fault",
            "Means, what the probes' marks cost taken off where the twin was measured. Blue and grey: the way "
            "to the block; "
            "red: the sync.", "the set `phases` of probes",
            RUN + "--strategy volatile,map_sync,sync_fault --probes phases --out more/phases", _phased,
            section_text, _phases)
