# SPDX-License-Identifier: GPL-2.0-only
"""The figures of a result: one table, KINDS, of what each shows, what it needs, and the function that draws it."""

import multiprocessing
import os
import shlex
import warnings
from dataclasses import dataclass

import matplotlib
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

import cells
import claims
import load
import stats
import table
from load import plain
from plot import INK, STYLE, Sheet, grouped, linear, logarithmic, quiet_grid, slug_of, styles
from releases import short, version_key
from table import QUANTILES

# Of so few steps that the SVG needs no bitmap for its colour bar; grey alike to every eye.
HEAT = matplotlib.colormaps["cividis"].resampled(32)
STARVED = "#D55E00"
# Of the phases: the way to the block in blues and greys, from the sync on in reds.
WAY_COLOURS = ("#B8BCC2", "#E69F00", "#9DB9D6", "#5B8FC4", "#2F6AA6", "#7FA89B", "#C9D6A3")
SYNC_COLOURS = ("#F2B8A0", "#D55E00", "#E0812F", "#A63A00", "#6E1F2E")
SYNC = "sync"  # the first phase of a sync
QUANTILE_MARKER = dict(zip(QUANTILES, ("o", "s", "^", "D", "*")))
QUANTILE_LABEL = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "max"}
QUANTILE_LEVEL = {"p50": 0.5, "p90": 0.1, "p99": 0.01, "p99_9": 0.001}
MAIN = "first_touch"  # what is shown first
PARALLEL_FROM = 6  # figures: below, a second process costs more than it saves


@dataclass(frozen=True)
class Kind:
    """One row: id; title, caption; needs: what must be measured, in words; command: how, without kernel and file system;
    groups: function(result) -> {key: data}, one figure each; where: function(key) -> text that goes on the title; draw:
    function(data, result) -> Sheet or None; contest: the workload whose section the figure stands in, or ""."""

    id: str
    title: str
    caption: str
    needs: str
    command: str
    groups: object
    where: object
    draw: object
    contest: str = ""


def figures(result, processes=None):
    """All figures that a Result has data for: [plot.Figure] in the order of KINDS; empty when nothing was measured."""
    jobs, slugs = [], set()
    for kind in KINDS:
        for key, data in sorted(kind.groups(result).items(), key=lambda group: MAIN not in group[0]):
            name = "-".join([kind.id, *(str(part) for part in key)])
            jobs.append((kind, key, data, slug_of(name, slugs), f"f{len(jobs)}", result))
    processes = processes or os.cpu_count() or 1
    if len(jobs) < PARALLEL_FROM or processes == 1:
        made = [_draw(job) for job in jobs]
    else:
        global _JOBS  # a forked process has them without their being copied
        _JOBS = jobs
        with multiprocessing.get_context("fork").Pool(min(processes, len(jobs))) as pool:
            made = pool.map(_draw_nth, range(len(jobs)), chunksize=1)
        _JOBS = []
    return [figure for figure in made if figure is not None]


_JOBS = []


def _draw_nth(index):
    return _draw(_JOBS[index])


def _draw(job):
    kind, key, data, slug, prefix, result = job
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name may be in any script
        sheet = kind.draw(data, result)
        if sheet is None:
            return None
        where = kind.where(key)
        title = f"{kind.title}: {where}" if where else kind.title
        return sheet.finish(slug, kind.id, title, kind.caption, kind.contest, prefix)


def missing(result, made):
    """What is left out: [{kind, title, needs, command}] of the kinds of which none of the figures `made` is."""
    there = {figure.kind for figure in made}
    rows = list(result.rows.values())
    kernels = sorted({row["kernel"] for row in rows}, key=result.words.kernel_rank) or ["bookworm"]
    file_systems = [fs for fs in dict.fromkeys(row["fs"] for row in rows)] or ["ext4", "xfs"]
    where = shlex.join(claims.where(result.context, kernels))
    found = []
    for kind in KINDS:
        if kind.id not in there and kind.command:
            command = kind.command.format(where=where, fs=shlex.quote(",".join(file_systems)))
            found.append({"kind": kind.id, "title": kind.title, "needs": kind.needs, "command": plain(command)})
    return found


# Groups: what stands in one figure.

def _sections(result, wanted=lambda cell: True):
    """{(kernel, workload, order, threads): {fs: [Cell]}} of cells that were measured, one panel a file system."""
    groups = {}
    for (kernel, fs, workload, order, threads), group in cells.sections(result).items():
        if group[0].any["workload"] != claims.UNRELATED and any(cell.best and wanted(cell) for cell in group):
            groups.setdefault((kernel, workload, order, f"t{threads}"), {})[fs] = [
                cell for cell in group if cell.best]
    return groups


def _where(key):
    kernel, workload, order, threads = key
    count = int(threads[1:])
    return f"{kernel}, {workload}, {order}, {count} thread{'s' * (count != 1)}"


def _cost_groups(result):
    """As _sections; the spread of each cell's samples goes along. Threads and huge entries have figures of their own."""
    spread = {name: [row["per_page"] for row in rows if row["status"] == "ok"] for name, rows in result.samples.items()}
    return {key: (group, spread) for key, group in _sections(result).items() if key[3] == "t1" and key[2] == "pte"}


def _curves(result):
    return {key: group for key, group in _sections(result).items()
            if any(len(_of_k(cells_, state)) > 1 for cells_ in group.values() for state in result.words.ids("state"))}


def _of_k(group, state, strategy="fsync"):
    return [cell for cell in group if cell.any["state"] == state and cell.any["strategy"] == strategy
            and cell.any["writes_per_sync"] is not None]


def _has_latency(cell):
    return cells.is_ok(cell.on) and bool(cell.on["max"]) and bool(_histogram(cell))


def _histogram(cell):
    fault = (cell.on["probe"] or {}).get("fault") or {}
    return [bucket for bucket in fault.get("histogram") or () if bucket[2] > 0]


def _latencies(result):
    return _filtered(result, _has_latency)


def _filtered(result, wanted):
    """As _sections, of the cells alone that are wanted."""
    found = {}
    for key, group in _sections(result, wanted).items():
        kept = {fs: [cell for cell in cells_ if wanted(cell)] for fs, cells_ in group.items()}
        found[key] = {fs: cells_ for fs, cells_ in kept.items() if cells_}
    return found


def _phased(result):
    return _filtered(result, lambda cell: cells.is_ok(cell.phases) and bool(cell.phases["phases"]))


def _taxed(result):
    return {key: group for key, group in _filtered(
        result, lambda cell: cell.tax() is not None and cell.off["per_fault"] > 0).items() if key[3] == "t1"}


def _along(result, field, order=None):
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


def _kernels(result):
    releases = {name: about.get("release") or name for name, about in result.context["kernels"].items()}
    return {key: (panels, releases) for key, panels in _along(result, "kernel", "pte").items() if key[-1] == "t1"}


def _beside(result):
    """{(kernel, state): {fs: {strategy: [(dirty inodes, Cell)]}}} of the workload unrelated."""
    groups = {}
    for cell in cells.cells(result):
        row = cell.any
        if row["workload"] == claims.UNRELATED and cells.is_ok(cell.on) and cell.on["max"]:
            lines = groups.setdefault((row["kernel"], row["state"]), {}).setdefault(row["fs"], {})
            lines.setdefault(cell.label, []).append((load.unrelated(row), cell))
    return {key: panels for key, panels in groups.items()
            if any(len(points) > 1 for lines in panels.values() for points in lines.values())}


def _contests(result, workload, attackers=True):
    """{(kernel, state, setting): {fs: [Cell]}} of contests that someone took part in."""
    groups = {}
    for (kernel, fs, its_workload, _, _, state, setting), group in cells.contests(result).items():
        measured = [cell for cell in group if cell.best and (cell.best["attackers"] or not attackers)]
        if measured and its_workload == workload:
            groups.setdefault((kernel, state, setting), {}).setdefault(fs, []).extend(measured)
    return groups


def _crowds(result):
    found = {}
    for key, panels in _contests(result, "dos", attackers=False).items():
        if len({cell.best["attackers"] for group in panels.values() for cell in group}) > 1:
            found[key] = panels
    return found


def _retried(result):
    """As _contests of dos, of strategies that retry a fault; where the result does not say which do, of those that did."""
    did = {row["strategy"] for row in result.rows.values() if row.get("retries_max")}
    found = {}
    for key, panels in _contests(result, "dos").items():
        kept = {fs: [cell for cell in group if cell.best["retries_max"] is not None and not cells.is_refused(cell.best)
                     and _retries_faults(result.words, cell.best["strategy"], did)] for fs, group in panels.items()}
        kept = {fs: group for fs, group in kept.items() if group}
        if kept:
            found[key] = kept
    return found


def _retries_faults(words, strategy, did):
    family = words.family(strategy)
    return strategy in did if family is None else family == "sync_retry"


# Drawing.

def _labels(result, panels):
    """Strategy labels that any panel shows, in reading order."""
    found = {cell.label: result.words.strategy_rank(cell.any) for group in panels.values() for cell in group}
    return sorted(found, key=found.get)


def _dots(names, style_of):
    """A legend's entries for strategies that are drawn as dots."""
    return [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1], ms=5.5, ls="none", label=name)
            for name in names]


def _states(result, panels):
    found = {cell.any["state"] for group in panels.values() for cell in group}
    return [state for state in result.words.ids("state") if state in found]


def _unit(context, per):
    return f"{context['unit']} per {per} ({context['time_domain']})"


def _names_left(ax, names, shown):
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), names if shown else [""] * len(names))
    ax.tick_params(axis="y", length=0, labelsize=8)
    ax.spines["left"].set_visible(False)


def _room(values):
    """Names as wide as the numbers on an upright axis of these values, and its label."""
    return ["0" * 13] if max(values) >= 4e5 else []


def _tax_patch():
    return Patch(facecolor="none", edgecolor=INK, hatch="/////", label="tax of the probes")


def _cost(data, result):
    """Cost of a durable page: bars from 0; a row of panels a file system, a column a state."""
    context, style_of = result.context, styles(result)
    panels, spread = data
    names, states = _labels(result, panels), _states(result, panels)
    shown = [cell for group in panels.values() for cell in group]
    handles = [_tax_patch()]
    if any(len(spread.get(cell.best["name"], ())) > 1 for cell in shown):
        handles.append(Line2D([], [], color=INK, lw=1.2, label="least to greatest sample"))
    sheet = Sheet(len(panels), len(states), (3.1, 0.19 * len(names) + 0.1), names, legend=handles, below=0.3,
                  between=0.32)
    most = {state: max((max(cell.best["per_page"], cell.best["per_page"] + (cell.tax("per_page") or 0))
                        for cell in shown if cell.any["state"] == state), default=0) or 1 for state in states}
    for index, ax in enumerate(sheet.axes):
        fs, state = list(panels)[index // len(states)], states[index % len(states)]
        room = most[state] * 1.5
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
        _names_left(ax, names, index % len(states) == 0)
        ax.set_title(plain(f"{fs}, {state}"), loc="left")
        if index // len(states) == len(panels) - 1:
            ax.set_xlabel(_unit(context, "page"), fontsize=8)
    return sheet


LEVELS = (("map_sync", (0, (6, 2))), ("sync_fault", (0, (3, 1.5))), ("volatile", (0, (1, 1.5))))


def _curve(panels, result):
    """Cost of a page against K; map_sync, sync_fault and volatile as levels, the crossing marked."""
    context, style_of = result.context, styles(result)
    states = [state for state in result.words.ids("state") if any(len(_of_k(group, state)) > 1 for group in panels.values())]
    curved = ("fsync", "msync")
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
    sheet = Sheet(len(panels), len(states), (3.0, 2.1), _room(values), legend=handles)
    for index, ax in enumerate(sheet.axes):
        fs, state = list(panels)[index // len(states)], states[index % len(states)]
        logarithmic(ax, "y", min(values), max(values))
        ax.set_xscale("log", base=2)
        ax.set_xlim(ks[0] / 1.6, beyond * 1.6)
        last = any(cell.any["writes_per_sync"] == "all" for name in curved for cell in _of_k(panels[fs], state, name))
        ax.set_xticks(ks + [beyond] * last, [str(k) for k in ks] + ["all"] * last)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="x", which="minor", length=0)
        quiet_grid(ax, "y")
        _curve_panel(sheet, ax, panels[fs], state, (curved, beyond), result)
        ax.set_title(plain(f"{fs}, {state}"), loc="left")
        ax.tick_params(axis="y", labelleft=index % len(states) == 0)
        if index % len(states) == 0:
            ax.set_ylabel(_unit(context, "page"))
        if index // len(states) == len(panels) - 1:
            ax.set_xlabel("K, writes per sync")
    return sheet


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
    for name, dash in LEVELS:
        cell = cells.find(group, name, state)
        if cell is None or not cell.best or cell.best["per_page"] <= 0:
            continue
        level = cell.best["per_page"]
        line = ax.axhline(level, color=style_of(name)[0], ls=dash, lw=1.6)
        sheet.mark(line, cell.best, f"{table.number(level)} {unit}")
        at = claims.crossing(costs, level) if len(costs) > 1 and name != "volatile" else None
        if at:
            ax.plot(at, level, marker="o", ms=9, mfc="none", mec=INK, mew=1.1)
            ax.annotate(f"K = {at:.3g}", (at, level), (8, 3 if name == "map_sync" else -10), textcoords="offset points",
                        fontsize=7.5)


def _distribution(panels, result):
    """The share of faults slower than x, on log axes; a line a strategy (of those with a K the least one)."""
    context, style_of = result.context, styles(result)
    states = _states(result, panels)
    chosen = {(fs, state): list({cell.any["strategy"]: cell for cell in reversed(group)
                                 if cell.any["state"] == state}.values())[::-1]
              for fs, group in panels.items() for state in states}
    names = list(dict.fromkeys(cell.label for group in chosen.values() for cell in group))
    rank = {cell.label: result.words.strategy_rank(cell.any) for group in chosen.values() for cell in group}
    handles = [Line2D([], [], color=style_of(name)[0], lw=1.6, label=name) for name in sorted(names, key=rank.get)]
    handles += [Line2D([], [], color=INK, marker=marker, ls="none", ms=4.5, label=QUANTILE_LABEL[q])
                for q, marker in QUANTILE_MARKER.items()]
    sheet = Sheet(len(panels), len(states), (3.0, 1.9), legend=handles)
    buckets = [bucket for group in chosen.values() for cell in group for bucket in _histogram(cell)]
    least = max(1, min(low for low, _, _ in buckets))
    most = max([high for _, high, _ in buckets] + [cell.on["max"] for group in chosen.values() for cell in group])
    total = max(sum(count for _, _, count in _histogram(cell)) for group in chosen.values() for cell in group)
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
            ax.set_xlabel(_unit(context, "fault"))
    return sheet


def _survival(sheet, ax, cell, how, marked):
    """One line; its quantiles go into `marked`, {quantile: [(x, y, colour)]}. how: (context, colour)."""
    context, colour = how
    buckets = sorted(_histogram(cell))
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


def _phases(panels, result):
    """Phases of a fault as stacked bars, what the probes cost taken off where there is a twin."""
    context = result.context
    words = result.words
    bars = sorted({(words.strategy_rank(cell.any), cell.label, words.rank("state", cell.any["state"]), cell.any["state"])
                   for group in panels.values() for cell in group})
    names = [f"{label}, {state}" for _, label, _, state in bars]
    phases = {phase["id"] for group in panels.values() for cell in group for phase in cell.phases["phases"]}
    phases = sorted(phases, key=lambda name: (result.words.rank("phase", name), name))
    colours = phase_colours(result.words.ids("phase"))
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
        _names_left(ax, names, True)
        if index == len(sheet.axes) - 1:
            ax.set_xlabel(_unit(context, "fault"))
    return sheet


def phase_colours(phases):
    """{phase: colour} of all phases of a result, in their order."""
    after = phases.index(SYNC) if SYNC in phases else len(phases)
    found = {}
    for colours, part in ((WAY_COLOURS, phases[:after]), (SYNC_COLOURS, phases[after:])):
        part = [name for name in part if name != load.REST]
        found.update((name, colours[index % len(colours)]) for index, name in enumerate(part))
    return {**found, load.REST: "#7F7F7F"}


STATE_MARKERS = ("o", "s", "^", "D", "v", "P")


def _tax(panels, result):
    """What probes add to a fault, in percent of it: a mark a state."""
    context, style_of = result.context, styles(result)
    names, states = _labels(result, panels), _states(result, panels)
    markers = dict(zip(states, STATE_MARKERS * len(states)))
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
        _names_left(ax, names, index == 0)
        ax.set_title(plain(fs), loc="left")
        ax.set_xlabel("percent of a fault")
    return sheet


def _lines(panels, xs, ticks, result, xlabel, slant=False):
    """per_page over something: a row of panels a file system, a column a state, a line a strategy."""
    context, style_of = result.context, styles(result)
    file_systems = list(dict.fromkeys(fs for fs, _ in panels))
    states = [state for state in result.words.ids("state") if any(state == its for _, its in panels)]
    labels = {name: result.words.strategy_rank(points[0][1].any) for lines in panels.values()
              for name, points in lines.items()}
    ordered = sorted(labels, key=labels.get)
    ids = {name: points[0][1].any["strategy"] for lines in panels.values() for name, points in lines.items()}
    dash = {name: _dash(name, [other for other in ordered if ids[other] == ids[name]]) for name in ordered}
    handles = [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1], ms=4.5, lw=1.5, ls=dash[name],
                      label=name) for name in ordered]
    values = [cell.best["per_page"] for lines in panels.values() for points in lines.values() for _, cell in points
              if cell.best["per_page"] > 0]
    if not values:
        return None
    sheet = Sheet(len(file_systems), len(states), (max(2.6, 0.55 * len(xs)), 2.0), _room(values), legend=handles,
                  below=0.75 if slant else 0.5)
    for index, ax in enumerate(sheet.axes):
        fs, state = file_systems[index // len(states)], states[index % len(states)]
        logarithmic(ax, "y", min(values), max(values))
        for name, points in panels.get((fs, state), {}).items():
            colour, marker = style_of(name)
            found = sorted((xs.index(x), cell.best["per_page"], cell) for x, cell in points if cell.best["per_page"] > 0)
            ax.plot([x for x, _, _ in found], [y for _, y, _ in found], color=colour, lw=1.5, ls=dash[name])
            for x, y, cell in found:
                dot, = ax.plot(x, y, color=colour, marker=marker, ms=4.5)
                sheet.mark(dot, cell.best, f"{name}: {table.number(y)} {context['unit']} per page")
        ax.set_xlim(-0.4, len(xs) - 0.6)
        ax.set_xticks(range(len(xs)), [plain(tick) for tick in ticks], rotation=25 if slant else 0,
                      ha="right" if slant else "center")
        quiet_grid(ax, "y")
        ax.set_title(plain(f"{fs}, {state}"), loc="left")
        ax.tick_params(axis="y", labelleft=index % len(states) == 0)
        if index % len(states) == 0:
            ax.set_ylabel(_unit(context, "page"))
        if index // len(states) == len(file_systems) - 1:
            ax.set_xlabel(xlabel)
    return sheet


DASHES = ("-", (0, (5, 1.5)), (0, (2, 1)), (0, (1, 1)), (0, (6, 1, 1, 1)))


def _dash(name, alike):
    """A strategy's lines with several K, `alike`, have one colour: dashes tell them apart."""
    return DASHES[alike.index(name) % len(DASHES)]


def _over_kernels(data, result):
    panels, names = data
    found = {x for lines in panels.values() for points in lines.values() for x, _ in points}
    xs = sorted(found, key=lambda kernel: version_key(names.get(kernel, kernel)))
    return _lines(panels, xs, short([names.get(x, x) for x in xs]), result, "", slant=True)


def _over_threads(panels, result):
    xs = sorted({x for lines in panels.values() for points in lines.values() for x, _ in points})
    return _lines(panels, xs, [str(x) for x in xs], result, "threads")


def _dirt(panels, result):
    """Median and longest fault against unrelated dirty inodes; a panel a file system, a line a strategy."""
    context, style_of = result.context, styles(result)
    points_of = [points for lines in panels.values() for points in lines.values()]
    counts = sorted({n for points in points_of for n, _ in points})
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    shown = (("max", "-"), ("p50", (0, (4, 2))))
    handles = [Line2D([], [], color=style_of(name)[0], lw=1.6, label=name) for name in names]
    handles += [Line2D([], [], color=INK, marker=QUANTILE_MARKER[q], ls=dash, ms=5, label=QUANTILE_LABEL[q])
                for q, dash in shown]
    values = [max(1, cell.on[q]) for points in points_of for _, cell in points for q, _ in shown]
    sheet = Sheet(1, len(panels), (3.0, 2.2), _room(values), legend=handles)
    for index, (ax, (fs, lines)) in enumerate(zip(sheet.axes, panels.items())):
        logarithmic(ax, "y", min(values), max(values))
        for name, points in lines.items():
            for q, dash in shown:
                found = sorted((counts.index(n), max(1, cell.on[q]), cell) for n, cell in points)
                ax.plot([x for x, _, _ in found], [y for _, y, _ in found], color=style_of(name)[0], ls=dash, lw=1.6)
                for x, y, cell in found:
                    dot, = ax.plot(x, y, color=style_of(name)[0], marker=QUANTILE_MARKER[q], ms=5.5, mec=INK, mew=0.4)
                    sheet.mark(dot, cell.on, f"{name}, {counts[x]} dirty inodes: {QUANTILE_LABEL[q]} {table.number(y)} "
                                             f"{context['unit']}")
        ax.set_xlim(-0.4, len(counts) - 0.6)
        ax.set_xticks(range(len(counts)), [grouped(n) for n in counts])
        quiet_grid(ax, "y")
        ax.set_title(plain(fs), loc="left")
        ax.tick_params(axis="y", labelleft=index == 0)
        ax.set_xlabel("dirty inodes of other files")
        if index == 0:
            ax.set_ylabel(_unit(context, "fault"))
    return sheet


def _orders(result):
    return {key[:2]: panels for key, panels in _along(result, "order").items() if key[-1] == "t1"}


ORDER_HATCH = {"pte": "", "pmd": "////"}


def _order(panels, result):
    """Share of the touches that the kernel mapped as each size, and what a page costs so."""
    context, style_of = result.context, styles(result)
    rows = {}
    for (fs, state), lines in panels.items():
        for name, points in lines.items():
            for order, cell in points:
                rows[fs, result.words.rank("state", state), result.words.strategy_rank(cell.any), name, order] = cell
    keys = sorted(rows, key=lambda key: (*key[:4], key[4] != "pte"))
    names = [f"{key[0]}, {key[3]}, {rows[key].any['state']}, {key[4]}" for key in keys]
    handles = [Patch(facecolor="#56B4E9", edgecolor=INK, linewidth=0.4, hatch=ORDER_HATCH[order], label=label)
               for order, label in (("pte", "mapped as pte, 4 KiB"), ("pmd", "mapped as pmd, 2 MiB"))]
    sheet = Sheet(1, 2, (3.0, 0.19 * len(names) + 0.1), names, legend=handles, right=0.5)
    costs = [cell.best["per_page"] for cell in rows.values() if cell.best["per_page"] > 0]
    if not costs:
        return None
    share, cost = sheet.axes
    for y, key in enumerate(keys):
        cell, colour = rows[key], style_of(key[3])[0]
        left = 0
        for order, value in mapped_shares(cell).items():
            if value:
                bar, = share.barh(y, value * 100, 0.76, left=left, color=colour, hatch=ORDER_HATCH[order], edgecolor=INK,
                                  linewidth=0.4)
                sheet.mark(bar, cell.best, f"{value:.1%} of the touches mapped as {order}")
                left += value * 100
        if cell.best["per_page"] > 0:
            dot, = cost.plot(cell.best["per_page"], y, color=colour, marker="o" if key[4] == "pte" else "s", ms=5.5,
                             mec=INK, mew=0.4, ls="none")
            sheet.mark(dot, cell.best, f"{table.number(cell.best['per_page'])} {context['unit']} per page of 4 KiB")
    share.set_xlim(0, 100)
    share.set_xlabel("percent of the touches")
    logarithmic(cost, "x", min(costs), max(costs))
    cost.set_xlabel(_unit(context, "page"))
    for ax, shown in ((share, True), (cost, False)):
        quiet_grid(ax, "both" if ax is cost else "x")
        _names_left(ax, names, shown)
    return sheet


def mapped_shares(cell):
    """{order: share of the cell's touches that the kernel mapped so}. A cell that asked for huge entries and fell back
    has some of both: each touch that fell back is one of the small."""
    row = cell.best
    mapped = row["mapped_order"]
    if mapped not in ("pte", "pmd"):
        return {}
    fell = cell.on["fallbacks"] if cells.is_ok(cell.on) and row["order"] == "pmd" else 0
    huge = 0 if mapped == "pte" else 1 - min(1, stats.ratio(fell or 0, row["touches"]) or 0)
    return {"pte": 1 - huge, "pmd": huge}


def _heat(panels, result):
    """Worst slowdown of contests: touches down, strategies across; starved cells framed."""
    names = _labels(result, panels)
    rows_of = {fs: [(cell.best, table.contest_row(cell)) for cell in group] for fs, group in panels.items()}
    rows = [row for group in rows_of.values() for _, row in group]
    touches = sorted({(row["touch"], row["attackers"]) for row in rows},
                     key=lambda touch: (result.words.rank("touch", touch[0]), touch[1]))
    many = len({attackers for _, attackers in touches}) > 1
    scale = LogNorm(1, max([row["slowdown"] for row in rows if row["touched"]] + [2]))
    starved = any(row["at_least"] for row in rows)
    down = [f"{touch} ×{n}" if many else touch for touch, n in touches]
    longest = max(map(len, names))
    sheet = Sheet(len(panels), 1, (max(2.4, (0.35 + 0.06 * longest) * len(names)), 0.25 * len(touches)), down,
                  below=0.22, between=0.34, right=0.9,
                  legend=[Patch(facecolor="none", edgecolor=STARVED, linewidth=2, label="starved")] if starved else [])
    for ax, (fs, group) in zip(sheet.axes, rows_of.items()):
        for raw, row in group:
            x, y = names.index(row["strategy"]), touches.index((row["touch"], row["attackers"]))
            never = row["at_least"] and row["slowdown"] == 0
            colour = HEAT(scale(scale.vmax if never else max(1, row["slowdown"]))) if row["touched"] else "none"
            words = table.slowdown(row["slowdown"], row["at_least"]) if row["touched"] else table.refusal(row)
            patch = ax.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour,
                                           edgecolor="none" if row["touched"] else "#7F7F7F", linewidth=0.6))
            retries = "" if row["retries_max"] is None else f", at most {row['retries_max']} retries"
            sheet.mark(patch, raw, f"slowdown {words}{retries}, {row['starved']['n']} of {row['starved']['of']} runs "
                                   "starved" if row["touched"] else f"each touch was refused: {words}")
            if row["at_least"]:
                ax.add_patch(Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, facecolor="none", edgecolor=STARVED,
                                       linewidth=2))
            ax.text(x, y, words.replace(">=", "≥"), ha="center", va="center", fontsize=8,
                    color=_readable(colour) if row["touched"] else INK)
        ax.set_title(plain(fs), loc="left")
        ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.set_yticks(range(len(touches)), down)
        ax.set_ylim(len(touches) - 0.5, -0.5)
        ax.tick_params(length=0, labelsize=8)
        ax.spines[:].set_visible(False)
    _colour_bar(sheet, scale)
    return sheet


def _colour_bar(sheet, scale):
    last, first = sheet.axes[-1].get_position(), sheet.axes[0].get_position()
    width = sheet.figure.get_figwidth()
    low = max(last.y0, first.y1 - 3.5 / sheet.figure.get_figheight())
    place = sheet.figure.add_axes((first.x1 + 0.1 / width, low, 0.13 / width, first.y1 - low))
    bar = sheet.figure.colorbar(ScalarMappable(scale, HEAT), cax=place)
    bar.ax.set_title("slowdown,\ntimes", fontsize=7, loc="left")
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _readable(colour):
    """Black or white, whichever stands out more from a colour (WCAG 2.1's relative luminance)."""
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in colour[:3]]
    return "#000000" if 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] > 0.179 else "#ffffff"


CROWD_COLUMNS = (
    ("worst slowdown, times", lambda row: row["slowdown"]),
    ("runs starved, percent", lambda row: row["starved"]["n"] * 100 / row["starved"]["of"]),
    ("most retries of a fault", lambda row: row["retries_max"] or 0))


def _crowd(panels, result):
    """Slowdown, starvation and retries against the number of attackers, the worst of the kinds of touch."""
    style_of = styles(result)
    names, counts = _labels(result, panels), sorted({cell.best["attackers"] for group in panels.values() for cell in group})
    handles = [Line2D([], [], color=style_of(name)[0], marker=style_of(name)[1], ms=4.5, lw=1.5, label=name)
               for name in names]
    sheet = Sheet(len(panels), 3, (2.3, 1.8), legend=handles, gap=0.6, between=0.4)
    for index, ax in enumerate(sheet.axes):
        fs, (title, function) = list(panels)[index // 3], CROWD_COLUMNS[index % 3]
        most = 1
        for place, name in enumerate(names):
            worst = {}
            for cell in panels[fs]:
                if cell.label == name and not cells.is_refused(cell.best):
                    known = worst.get(cell.best["attackers"])
                    if known is None or function(cell.best) > function(known):
                        worst[cell.best["attackers"]] = cell.best
            points = [(counts.index(count) + 0.05 * (place - (len(names) - 1) / 2), function(row), row)
                      for count, row in sorted(worst.items())]
            colour, marker = style_of(name)
            ax.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, lw=1.4)
            for x, y, row in points:
                dot, = ax.plot(x, y, color=colour, marker=marker, ms=4.5, ls="none")
                sheet.mark(dot, row, f"{name}, {row['touch']} by {row['attackers']}: {y:.4g} ({title})")
                most = max(most, y)
        if index % 3 == 0:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
            ax.yaxis.set_minor_formatter(NullFormatter())
        elif index % 3 == 1:
            ax.set_ylim(-5, 105)
        else:
            ax.set_yscale("symlog", linthresh=1)
            ax.set_ylim(-0.2, most * 2)
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
            ax.yaxis.set_minor_formatter(NullFormatter())
        quiet_grid(ax, "y")
        ax.set_xlim(-0.4, len(counts) - 0.6)
        ax.set_xticks(range(len(counts)), [str(count) for count in counts])
        ax.set_title(plain(f"{fs}: {title}"), loc="left", fontsize=8.5)
        if index // 3 == len(panels) - 1:
            ax.set_xlabel("attackers")
    return sheet


def _retries(panels, result):
    """The most retries that a fault took, by kind of touch."""
    style_of = styles(result)
    touches = sorted({cell.best["touch"] for group in panels.values() for cell in group},
                     key=lambda touch: result.words.rank("touch", touch))
    names = _labels(result, panels)
    sheet = Sheet(1, len(panels), (3.0, 0.26 * len(touches) + 0.15), touches, legend=_dots(names, style_of))
    most = max(cell.best["retries_max"] for group in panels.values() for cell in group)
    for index, (ax, (fs, group)) in enumerate(zip(sheet.axes, panels.items())):
        for cell in group:
            row = cell.best
            step = 0.5 / max(1, len(names) - 1) if len(names) > 1 else 0
            y = touches.index(row["touch"]) + (names.index(cell.label) - (len(names) - 1) / 2) * step
            colour, marker = style_of(cell.label)
            dot, = ax.plot(row["retries_max"], y, color=colour, marker=marker, ms=6, mec=INK, mew=0.4, ls="none")
            sheet.mark(dot, row, f"{cell.label}, {row['touch']} by {row['attackers']}: at most {row['retries_max']} "
                                 "retries of one fault")
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(-0.15, max(10, most) * 1.6)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
        ax.xaxis.set_minor_formatter(NullFormatter())
        quiet_grid(ax, "both")
        _names_left(ax, touches, index == 0)
        ax.set_title(plain(fs), loc="left")
        ax.set_xlabel("most retries of one fault")
    return sheet


def _stalls(panels, result):
    """The longest that a bystander had to wait for one touch."""
    context, style_of = result.context, styles(result)
    touches = sorted({cell.best["touch"] for group in panels.values() for cell in group},
                     key=lambda touch: result.words.rank("touch", touch))
    names = _labels(result, panels)
    shown = [cell.best for group in panels.values() for cell in group
             if not cells.is_refused(cell.best) and cell.best["progress_max"]]
    if not shown:
        return None
    sheet = Sheet(1, len(panels), (3.2, 0.34 * len(touches) + 0.15), touches, legend=_dots(names, style_of))
    values = [row["progress_max"] for row in shown]
    for index, (ax, (fs, group)) in enumerate(zip(sheet.axes, panels.items())):
        for cell in group:
            row = cell.best
            if cells.is_refused(row) or not row["progress_max"]:
                continue
            step = 0.6 / max(1, len(names) - 1)
            y = touches.index(row["touch"]) + (names.index(cell.label) - (len(names) - 1) / 2) * step
            colour, marker = style_of(cell.label)
            dot, = ax.plot(row["progress_max"], y, color=colour, marker=marker, ms=6, mec=INK, mew=0.4, ls="none")
            sheet.mark(dot, row, f"{cell.label}, {row['touch']}: longest touch {table.number(row['progress_max'])} "
                                 f"{context['unit']}")
        logarithmic(ax, "x", min(values), max(values))
        quiet_grid(ax, "both")
        _names_left(ax, touches, index == 0)
        ax.set_title(plain(fs), loc="left")
        ax.set_xlabel(f"longest touch, {context['unit']} ({context['time_domain']})")
    return sheet


def _kara(result):
    return {(one["kernel"], one["fs"]): (one, result.rows) for one in result.kara}


def _kara_bars(data, result):
    """His ratios with MAP_SYNC to without beside ours: averages."""
    one, rows = data
    names = [row["name"] for row in one["rows"]]
    kinds = (("his", "Kara 2017, ext4, ramdisk, wall time", "#7F7F7F"), ("ours", f"ours, {one['unit']}", "#D55E00"))
    sheet = Sheet(1, 1, (5.0, 0.5 * len(names) + 0.1), names,
                  legend=[Patch(facecolor=colour, label=label) for _, label, colour in kinds])
    ax, most = sheet.axes[0], 1
    for y, row in enumerate(one["rows"]):
        for place, (who, label, colour) in enumerate(kinds):
            value = row[who]["ratio"][1] or 0
            bar, = ax.barh(y + 0.2 * (2 * place - 1), value, 0.36, color=colour)
            ax.text(value, y + 0.2 * (2 * place - 1), f" ×{value:.2f}", va="center", fontsize=8)
            shown = next((r for r in rows.values() if (r["kernel"], r["fs"], r["strategy"]) == (
                one["kernel"], one["fs"], "map_sync")), None)
            if who == "ours" and shown:
                sheet.mark(bar, shown, f"{label}: {value:.2f} times")
            most = max(most, value)
    ax.set_xlim(0, most * 1.15)
    linear(ax.xaxis, 6)
    quiet_grid(ax, "x")
    _names_left(ax, names, True)
    ax.set_xlabel("average fault with MAP_SYNC over without, times")
    return sheet


def _contest_where(key):
    return ", ".join(key)


def _of(workload):
    return lambda result: _contests(result, workload)


RUN = "faultline run {where} --fs {fs} "
CONTEST_CAPTIONS = {
    "dos": "Each cell is the worst of its runs, over the victim alone. A frame: a fault outlasted its deadline, and "
           "the figure is the least that it can be. An errno: each touch was refused.",
    "bystander": "Each cell is the worst of its runs, over the bystander beside faults that sync nothing. A frame, "
                 "never: not one touch ended in a run. An errno: each touch was refused.",
}
KINDS = (
    Kind("cost", "Cost of a durable page by strategy and state",
         "Bars are of the twin without probes and begin at 0; each column has its own scale. Hatched: what the probes "
         "add (tax). ×: over volatile in the same state. A dashed outline: only measured with probes.",
         "cells without probes", RUN + "--out more/cost", _cost_groups, _where, _cost),
    Kind("syncs", "A sync every K writes against a sync in the fault",
         "Without probes. A ring: from this K on fsync:K costs less than that level (a straight line in 1/K between two "
         "measured K).", "fsync at two K or more, map_sync, sync_fault",
         RUN + "--strategy fsync,map_sync,sync_fault,volatile --out more/syncs", _curves, _where, _curve),
    Kind("phases", "Phases of a write fault",
         "Means, what the probes' marks cost taken off where the twin was measured. Blue and grey: the way to the block; "
         "red: the sync.", "the set `phases` of probes",
         RUN + "--strategy volatile,map_sync,sync_fault --probes phases --out more/phases", _phased, _where, _phases),
    Kind("latency", "How long write faults take",
         "The share of faults slower than x, of the whole fault as the probe saw it: it contains the probes' own cost. Of "
         "strategies with a K the least one.", "cells with probes", RUN + "--probes on --out more/latency", _latencies,
         _where, _distribution),
    Kind("unrelated", "A fault beside unrelated dirty inodes",
         "Each fault is taken after the inodes of so many other files were dirtied; with probes. The counts are no "
         "scale.", "the workload unrelated",
         RUN + "--workload unrelated --state hole --strategy map_sync --out more/unrelated", _beside,
         lambda key: ", ".join(key), _dirt),
    Kind("kernels", "Cost of a durable page over kernels",
         "Without probes. `faultline trend` says which steps are changes.", "the same cells on two kernels or more",
         "faultline run --kernel all --fs {fs} --strategy volatile,map_sync,fsync:1,fsync:64 --out more/kernels",
         _kernels, lambda key: ", ".join(key[:2]), _over_kernels),
    Kind("threads", "Cost of a durable page with several threads",
         "Without probes; threads take turns on one CPU where the run was in virtual time.",
         "the same cells with two numbers of threads",
         RUN + "--strategy volatile,map_sync,fsync:8 --threads 1,2,4 --out more/threads",
         lambda result: _along(result, "threads"), lambda key: ", ".join(key), _over_threads),
    Kind("orders", "Entries of 4 KiB and of 2 MiB",
         "Left: what the kernel mapped the touches with. Right: the cost of a page of 4 KiB, 512 of which one 2 MiB "
         "entry maps.", "the same cells as pte and as pmd",
         RUN + "--strategy volatile,map_sync,fsync:8 --order pte,pmd --state unwritten,written --out more/orders",
         _orders, lambda key: ", ".join(key), _order),
    Kind("tax", "What the probes add to a fault",
         "Cell minus twin, in percent of the twin.", "cells with and without probes",
         RUN + "--probes on --out more/tax", _taxed, _where, _tax),
    Kind("kara2017", "Jan Kara's table of 2017 beside ours",
         "Ratios of averages. His times are of real hardware and hold the wait for a journal thread on another CPU; "
         "ours, where in instr, are lengths of path on one.", "the cells of his table",
         "faultline run {where} --preset kara2017 --out more/kara2017", _kara,
         lambda key: ", ".join(key), _kara_bars),
    Kind("dos", "Worst slowdown by touch and strategy", CONTEST_CAPTIONS["dos"], "contests of the workload dos",
         RUN + "--workload dos --state written --touch utimens,append,truncate --out more/dos", _of("dos"),
         _contest_where, _heat, "dos"),
    Kind("crowd", "Slowdown, starvation and retries against attackers",
         "For each strategy the worst of the kinds of touch. A slowdown of a run that starved is the least that it can "
         "be.", "dos with two numbers of attackers",
         RUN + "--workload dos --state written --touch utimens,append --attackers 0,1,2,4 --out more/crowd", _crowds,
         _contest_where, _crowd, "dos"),
    Kind("retries", "Most retries of one fault by touch", "Of all runs and numbers of attackers; one that was still "
         "retried when its run ended is counted.", "dos with a strategy that retries",
         RUN + "--workload dos --state written --strategy 'sync_retry*' --touch utimens,append,truncate --out "
         "more/retries", _retried, _contest_where, _retries, "dos"),
    Kind("bystander", "Worst slowdown of a bystander by touch and strategy", CONTEST_CAPTIONS["bystander"],
         "contests of the workload bystander",
         RUN + "--workload bystander --state hole --touch mmap,read_fault --strategy "
         "volatile,map_sync,sync_fault,sync_retry --out more/bystander", _of("bystander"), _contest_where, _heat,
         "bystander"),
    Kind("stalls", "Longest stall of a bystander by touch and strategy",
         "The longest single touch of all runs.", "contests of the workload bystander", "", _of("bystander"),
         _contest_where, _stalls, "bystander"),
)
