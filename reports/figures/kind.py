# SPDX-License-Identifier: GPL-2.0-only
"""What a kind of figure is, and the groups of cells that stand in one figure."""

from dataclasses import dataclass

import cells
import claims
from number import counted


@dataclass(frozen=True)
class Kind:
    """A kind of figure. place: where it stands among the others, ascending; id; title, caption; needs: what must be
    measured, in words; command: how, without kernel and file system; groups: function(result) -> {key: data}, one
    figure each; where: function(key) -> text that goes on the title; draw: function(data, result) -> Sheet or None;
    contest: the workload whose section the figure stands in, or ""; narrow: as draw, for a narrow window, or None."""

    place: int
    id: str
    title: str
    caption: str
    needs: str
    command: str
    groups: object
    where: object
    draw: object
    contest: str = ""
    narrow: object = None


RUN = "faultline run {where} --fs {fs} "


def cell_groups(result, wanted=lambda cell: True):
    """{(kernel, workload, order, threads): {fs: [Cell]}} of cells that were measured, one panel a file system."""
    groups = {}
    for (kernel, fs, workload, order, threads), group in cells.sections(result).items():
        if group[0].any["workload"] != claims.UNRELATED and any(cell.best and wanted(cell) for cell in group):
            groups.setdefault((kernel, workload, order, f"t{threads}"), {})[fs] = [
                cell for cell in group if cell.best]
    return groups


def section_text(key):
    """A key of cell_groups in words."""
    kernel, workload, order, threads = key
    return f"{kernel}, {workload}, {order}, {counted(int(threads[1:]), 'thread')}"


def only(result, wanted):
    """As cell_groups, of the cells alone that are wanted."""
    found = {}
    for key, group in cell_groups(result, wanted).items():
        kept = {fs: [cell for cell in cells_ if wanted(cell)] for fs, cells_ in group.items()}
        found[key] = {fs: cells_ for fs, cells_ in kept.items() if cells_}
    return found


def along(result, field, order=None):
    """{(what stays the same): {(fs, state): {strategy: [(x, Cell)]}}} of cells that differ by `field` alone and have at
    least two values of it."""
    groups = {}
    for (kernel, fs, workload, order_, threads), group in cells.sections(result).items():
        section = {"kernel": kernel, "workload": workload, "order": order_, "threads": threads}
        x = section.pop(field)
        for cell in group:
            if cell.best and (order is None or order_ == order):
                key = tuple(f"t{value}" if name == "threads" else value for name, value in section.items())
                lines = groups.setdefault(key, {}).setdefault((fs, cell.any["state"]), {})
                lines.setdefault(cell.label, []).append((x, cell))
    found = {}
    for key, panels in groups.items():
        kept = {panel: {name: points for name, points in lines.items() if len(points) > 1}
                for panel, lines in panels.items()}
        kept = {panel: lines for panel, lines in kept.items() if lines}
        if kept:
            found[key] = kept
    return found


def contest_groups(result, workload, attackers=True):
    """{(kernel, state, setting): {fs: [Cell]}} of contests that someone took part in."""
    groups = {}
    for (kernel, fs, its_workload, _, _, state, setting), group in cells.contests(result).items():
        measured = [cell for cell in group if cell.best and (cell.best["attackers"] or not attackers)]
        if measured and its_workload == workload:
            groups.setdefault((kernel, state, setting), {}).setdefault(fs, []).extend(measured)
    return groups


def contest_text(key):
    """A key of contest_groups in words."""
    return ", ".join(key)


def contests_of(workload):
    """The groups of a workload's contests."""
    return lambda result: contest_groups(result, workload)
