# SPDX-License-Identifier: GPL-2.0-only
"""Figures of a result with matplotlib: SVG text to put into a page, PNG bytes to put beside it.

The same result gives the same bytes. Colours are those of Okabe and Ito, which people who see colours differently
can tell apart; one colour means one thing in all figures. A Result is of one time domain, so no axis holds two.
"""

import io
import re
import warnings
from dataclasses import dataclass

import matplotlib
import matplotlib.pyplot as pyplot
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

import cells
import table
from load import plain
from table import QUANTILES

matplotlib.use("Agg")

STATE_COLOUR = {"hole": "#0072B2", "unwritten": "#E69F00", "written": "#009E73"}
# Colour, marker: the marker tells apart what print or an eye may not, and ten strategies exceed eight colours.
STRATEGY_STYLE = {
    "volatile": ("#7F7F7F", "_"), "fsync": ("#0072B2", "o"), "msync": ("#56B4E9", "s"), "map_sync": ("#D55E00", "D"),
    "prealloc": ("#CC79A7", "^"), "pwrite": ("#E69F00", "v"), "sync_fault": ("#009E73", "P"),
    "sync_retry": ("#F0E442", "X"), "sync_retry_extent": ("#E69F00", "*"), "daxfile": ("#56B4E9", "h"),
}
OTHER_STYLE = ("#7F7F7F", "x")
QUANTILE_MARKER = dict(zip(QUANTILES, ("o", "s", "^", "D", "*")))
QUANTILE_LABEL = {"p50": "p50", "p90": "p90", "p99": "p99", "p99_9": "p99.9", "max": "max"}
LEGEND_INCHES = 0.35
WIDE_INCHES = 8
# Grey alike to every eye, and of so few steps that the SVG needs no bitmap for its colour bar.
HEAT = matplotlib.colormaps["cividis"].resampled(32)
INK = "#1b2733"  # replaced by the page's own text colour in an SVG
STYLE = {
    "svg.hashsalt": "faultline", "svg.fonttype": "none", "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False,
    "axes.spines.right": False, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.axisbelow": True, "hatch.linewidth": 0.8, "hatch.color": INK,
    "text.parse_math": False, "axes.formatter.use_mathtext": False,
}


@dataclass
class Figure:
    """A figure.

    slug: a name for its file, unique in its result; title, caption: text; contest: the workload, if it shows contests,
    else ""; wide: whether it needs a wide window to be read; svg: markup; png: bytes.
    """

    slug: str
    title: str
    caption: str
    contest: str
    wide: bool
    svg: str
    png: bytes


def figures(result):
    """All figures that a Result has data for: [Figure]; empty when nothing was measured."""
    made, slugs = [], set()

    def add(draw, panels, name, title, caption, contest=""):
        with matplotlib.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name may be in any script
            figure = draw(panels, result.context)
            if figure is not None:
                slug = _slug(name, slugs)
                wide = figure.get_figwidth() > WIDE_INCHES
                made.append(Figure(slug, title, caption, contest, wide, *_render(figure, slug, title)))

    for key, panels in _groups(result).items():
        kernel, workload, order, threads = key
        where = f"{kernel}, {workload}, {order}, {threads} thread{'s' * (threads != 1)}"
        for name, title, caption, draw in KINDS:
            add(draw, panels, f"{name}-{kernel}-{workload}-{order}-t{threads}", f"{title}: {where}", caption)
    for (kernel, workload, state, setting), panels in _contest_groups(result).items():
        add(_heat, panels, f"{workload}-{kernel}-{state}-{setting}",
            f"Worst slowdown by touch and strategy: {kernel}, {workload}, {state}, {setting}",
            CONTEST_CAPTIONS[workload], workload)
    return made


def trend_figures(data):
    """The figures of a trend, as trend.build returns it: one per workload, order, threads and metric."""
    import trend
    groups, made, slugs = {}, [], set()
    for row in data["rows"]:
        fs, *rest = trend.section(row)
        groups.setdefault(tuple(rest), {}).setdefault(fs, []).append(row)
    for key, panels in groups.items():
        with matplotlib.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure = _trend(panels, data, key[-1])
            title = f"{key[-1]} over kernels: {', '.join(filter(None, key[:-1])) or 'guests'}"
            slug = _slug(f"trend-{'-'.join(filter(None, key))}", slugs)
            made.append(Figure(slug, title, TREND_CAPTION, "", figure.get_figwidth() > WIDE_INCHES,
                               *_render(figure, slug, title)))
    return made


TREND_CAPTION = "A ring: the level changed here. A dotted one: it may have, there are too few samples to say."


def _trend(panels, data, metric):
    """A metric over kernels: a panel for each file system and state, a line for each strategy."""
    import trend
    states = list(dict.fromkeys(trend.names(row)[1] for rows in panels.values() for row in rows))
    kernels = trend.short(data["kernels"])
    figure, axes = _panels(len(panels), len(states), width=max(5.0, 1.4 + max(2.9, 0.6 * len(kernels)) * len(states)),
                           height=2.6)
    handles = {}
    for index, ax in enumerate(axes):
        fs, state = list(panels)[index // len(states)], states[index % len(states)]
        for row in (row for row in panels[fs] if trend.names(row)[1] == state):
            name = trend.names(row)[0]
            colour, marker = STRATEGY_STYLE.get(re.split(r"[: ]", name)[0], OTHER_STYLE)
            points = [(x, y, mark) for x, (y, mark) in enumerate(zip(row["figures"], row["marks"]))
                      if y is not None and y > 0]
            line, = ax.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, marker=marker, ms=4.5,
                            lw=1.4, label=name)
            handles.setdefault(name, line)
            for style, marks in (("-", (trend.UP, trend.DOWN)), (":", (trend.UNSURE,))):
                found = [(x, y) for x, y, mark in points if mark in marks]
                ax.scatter([x for x, _ in found], [y for _, y in found], s=90, facecolor="none", edgecolor=INK,
                           linewidth=1, linestyle=style, zorder=3)
        ax.set_title(plain(", ".join(filter(None, (fs, state)))), loc="left")
        ax.set_xticks(range(len(kernels)), [plain(kernel) for kernel in kernels], rotation=20, ha="right")
        ax.set_xlim(-0.5, len(kernels) - 0.5)
    if any(y for rows in panels.values() for row in rows for y in row["figures"]):
        _log_axes(axes, len(states), f"{metric}, {data['unit']} ({data['time_domain']})", (1.15, 1.15))
    _legend(figure, handles.values())
    return figure


def _groups(result):
    """{(kernel, workload, order, threads): {fs: [Cell]}}: one figure each, one panel a file system."""
    groups = {}
    for (kernel, fs, workload, order, threads), group in cells.sections(result.rows).items():
        measured = [cell for cell in group if cell.best]
        if measured:
            groups.setdefault((kernel, workload, order, threads), {})[fs] = group
    return groups


def _contest_groups(result):
    """{(kernel, workload, state, setting): {fs: [Cell]}} of contests with attackers: one figure each, one panel a file
    system."""
    groups = {}
    for (kernel, fs, workload, _, _, state, setting), group in cells.contests(result.rows).items():
        measured = [cell for cell in group if cell.best and cell.best["attackers"]]
        if measured:
            groups.setdefault((kernel, workload, state, setting), {}).setdefault(fs, []).extend(measured)
    return groups


def _unit(context, per):
    return f"{context['unit']} per {per} ({context['time_domain']})"


def _cost(panels, context):
    """Cost of a durable page: bars by strategy and state, the tax of the probes on top, the ratio above."""
    names, states = _labels(panels, lambda cell: True), _states(panels, lambda cell: True)
    figure, axes = _panels(len(panels), 1, width=max(5.0, 1.6 + 0.26 * len(names) * len(states)), height=2.9)
    values = [cell.best["per_page"] for group in panels.values() for cell in group if cell.best]
    bottom = 0.5 * min([value for value in values if value > 0], default=1)
    for ax, (fs, group) in zip(axes, panels.items()):
        for cell in group:
            if not cell.best or cell.best["per_page"] <= 0:
                continue  # 0 has no place on a log axis; the table has it
            state, value = cell.best["state"], cell.best["per_page"]
            x, width = names.index(cell.label) + _offset(states, state), 0.9 * _step(states)
            ax.bar(x, value - bottom, width, bottom=bottom, color=STATE_COLOUR[state],
                   edgecolor=INK if cell.probed_only else "none", linestyle="--", linewidth=0.8)
            tax, top = cell.tax("per_page"), value
            if tax and value + tax > bottom:
                low, top = sorted((value, value + tax))
                ax.bar(x, top - low, width, bottom=low, facecolor="none", edgecolor=INK, hatch="/////", linewidth=0.6)
            ratio = cells.baseline_ratio(group, cell)
            if ratio is not None:
                ax.annotate(f"×{ratio:.3g}", (x, top), (0, 3), textcoords="offset points", rotation=90, ha="center",
                            va="bottom", fontsize=6.5)
        ax.set_title(plain(fs), loc="left")
        _strategy_axis(ax, names)
    _log_axes(axes, 1, _unit(context, "page"), (1, 3))
    _legend(figure, [Patch(facecolor=STATE_COLOUR[state], label=state) for state in states]
            + [Patch(facecolor="none", edgecolor=INK, hatch="/////", label="tax of the probes")])
    return figure


def _curve(panels, context):
    """Cost of a page against K; a panel for each file system and state, map_sync and volatile as levels."""
    def curves(group, state):
        found = {}
        for cell in group:
            if cell.best and cell.any["state"] == state and cell.any["writes_per_sync"] is not None:
                found.setdefault(cell.any["strategy"], []).append(cell)
        return {name: points for name, points in found.items() if len(points) > 1}

    states = [s for s in cells.STATES if any(curves(group, s) for group in panels.values())]
    if not states:
        return None
    ks = sorted({cell.any["writes_per_sync"] for group in panels.values() for state in states
                 for points in curves(group, state).values() for cell in points
                 if isinstance(cell.any["writes_per_sync"], int)})
    after_all = (ks[-1] if ks else 1) * 8
    width = 1.4 + 2.9 * len(states)
    figure, axes = _panels(len(panels), len(states), width=max(5.0, width), height=2.5)
    handles = {}
    for index, ax in enumerate(axes):
        fs, state = list(panels)[index // len(states)], states[index % len(states)]
        group = panels[fs]
        for name, points in curves(group, state).items():
            colour, marker = STRATEGY_STYLE.get(name, OTHER_STYLE)
            x = [after_all if c.any["writes_per_sync"] == "all" else c.any["writes_per_sync"] for c in points]
            handles[name] = ax.plot(x, [c.best["per_page"] for c in points], color=colour, marker=marker, ms=4.5,
                                    lw=1.6, label=name)[0]
        for name, dash in (("map_sync", (0, (6, 2))), ("volatile", (0, (1, 1.5)))):
            cell = cells.find(group, name, state)
            if cell is not None and cell.best:
                handles[name] = ax.axhline(cell.best["per_page"], color=STRATEGY_STYLE[name][0], ls=dash, lw=1.6,
                                           label=name)
        ax.set_xscale("log", base=2)
        last = any(c.any["writes_per_sync"] == "all" for p in curves(group, state).values() for c in p)
        ax.set_xticks(ks + [after_all] * last, [str(k) for k in ks] + ["all"] * last)
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_tick_params(which="minor", length=0)
        ax.set_title(plain(f"{fs}, {state}"), loc="left")
        if index // len(states) == len(panels) - 1:
            ax.set_xlabel("K, writes per sync")
    _log_axes(axes, len(states), _unit(context, "page"), (1.15, 1.15))
    _legend(figure, handles.values())
    return figure


def _latency(panels, context):
    """Quantiles of the whole fault as the probe saw it: dots by strategy and state."""
    def has(cell):
        return cells.is_ok(cell.on) and cell.on["max"] is not None

    names = _labels(panels, has)
    if not names:
        return None
    panels = {fs: group for fs, group in panels.items() if any(map(has, group))}
    states = _states(panels, has)
    figure, axes = _panels(len(panels), 1, width=max(5.0, 1.6 + 0.26 * len(names) * len(states)), height=2.7)
    for ax, (fs, group) in zip(axes, panels.items()):
        for state in states:
            colour = STATE_COLOUR[state]
            shown = [cell for cell in group if has(cell) and cell.any["state"] == state]
            places = [names.index(cell.label) + _offset(states, state) for cell in shown]
            found = [[cell.on[q] for q in QUANTILES if cell.on[q]] for cell in shown]
            ax.vlines(places, [min(v, default=1) for v in found], [max(v, default=1) for v in found], color=colour,
                      lw=1, alpha=0.6)
            for q in reversed(QUANTILES):  # where they coincide the median is on top
                points = [(x, cell.on[q]) for x, cell in zip(places, shown) if cell.on[q]]
                ax.plot([x for x, _ in points], [y for _, y in points], color=colour, marker=QUANTILE_MARKER[q],
                        ms=4.5, ls="none", mec=INK, mew=0.4)
        ax.set_title(plain(fs), loc="left")
        _strategy_axis(ax, names)
    _log_axes(axes, 1, _unit(context, "fault"), (1, 1.2))
    _legend(figure, [Patch(facecolor=STATE_COLOUR[state], label=state) for state in states]
            + [Line2D([], [], color=INK, marker=m, ls="none", ms=5, label=QUANTILE_LABEL[q])
               for q, m in QUANTILE_MARKER.items()])
    return figure


def _heat(panels, _context):
    """Worst slowdown of contests: touches down, strategies across; starved cells framed."""
    names = _labels(panels, lambda cell: True)
    panels = {fs: [table.contest_row(cell) for cell in group] for fs, group in panels.items()}
    rows = [row for group in panels.values() for row in group]
    touches = sorted({(row["touch"], row["attackers"]) for row in rows})
    many = len({attackers for _, attackers in touches}) > 1
    scale = LogNorm(1, max([row["slowdown"] for row in rows if row["touched"]] + [2]))
    figure, axes = _panels(len(panels), 1, width=max(5.0, 2.4 + 1.25 * len(names)), height=0.75 + 0.27 * len(touches))
    for ax, (fs, group) in zip(axes, panels.items()):
        for row in group:
            x, y = names.index(row["strategy"]), touches.index((row["touch"], row["attackers"]))
            never = row["at_least"] and row["slowdown"] == 0
            colour = HEAT(scale(scale.vmax if never else max(1, row["slowdown"]))) if row["touched"] else "none"
            ax.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour,
                                   edgecolor="none" if row["touched"] else "#7F7F7F", linewidth=0.6))
            if row["at_least"]:
                ax.add_patch(Rectangle((x - 0.46, y - 0.42), 0.92, 0.84, facecolor="none", edgecolor=STARVED,
                                       linewidth=2))
            words = table.slowdown(row["slowdown"], row["at_least"]) if row["touched"] else table.refusal(row)
            ax.text(x, y, words.replace(">=", "≥"), ha="center", va="center", fontsize=8,
                    color=_readable(colour) if row["touched"] else INK)
        ax.set_title(plain(fs), loc="left")
        ax.set_xticks(range(len(names)), names)
        ax.set_xlim(-0.5, len(names) - 0.5)
        ax.set_yticks(range(len(touches)), [f"{touch} ×{n}" if many else touch for touch, n in touches])
        ax.set_ylim(len(touches) - 0.5, -0.5)
        ax.tick_params(length=0, labelsize=8)
        ax.spines[:].set_visible(False)
    bar = figure.colorbar(ScalarMappable(scale, HEAT), ax=axes, label="slowdown, times",
                          aspect=7 * figure.get_figheight())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}".replace(",", "\u202f")))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.outline.set_visible(False)
    _legend(figure, [Patch(facecolor="none", edgecolor=STARVED, linewidth=2, label="starved")]
            if any(row["at_least"] for row in rows) else [])
    return figure


def _readable(colour):
    """Black or white, whichever stands out more from a colour (WCAG 2.1's relative luminance)."""
    parts = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in colour[:3]]
    return "#000000" if 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] > 0.179 else "#ffffff"


STARVED = "#D55E00"
CONTEST_CAPTIONS = {
    "dos": "Each cell is the worst of its runs, over the victim alone. A frame: a fault outlasted its deadline, and "
           "the figure is the least that it can be. An errno: each touch was refused.",
    "bystander": "Each cell is the worst of its runs, over the bystander beside faults that sync nothing. A frame, "
                 "never: not one touch ended in a run. An errno: each touch was refused.",
}
KINDS = (
    ("cost", "Cost of a durable page by strategy",
     "Height: the twin without probes. Hatched: what the probes add (tax). ×: the twin over volatile in the same "
     "state. A dashed outline: only measured with probes, so the bar contains their cost.", _cost),
    ("syncs", "Cost of a page against writes per sync",
     "Figures without probes where they were measured; their tax is in the table. A curve crosses the level of "
     "map_sync at the K for which both cost the same.", _curve),
    ("latency", "Latency of a write fault",
     "Quantiles of the whole fault as the probe saw it: they contain the probes' own cost (tax, in the table).",
     _latency),
)


def _labels(panels, wanted):
    """Strategy labels that any panel shows, in reading order."""
    found = {cell.label: cells.strategy_rank(cell.any) for group in panels.values() for cell in group
             if cell.best and wanted(cell)}
    return sorted(found, key=found.get)


def _states(panels, wanted):
    """The states that any panel shows, in reading order."""
    found = {cell.any["state"] for group in panels.values() for cell in group if cell.best and wanted(cell)}
    return [state for state in cells.STATES if state in found]


def _step(states):
    """The room of one state beside the others of a strategy, in strategies."""
    return 0.84 / max(2, len(states))


def _offset(states, state):
    """Where a state stands beside the middle of its strategy."""
    return (states.index(state) - (len(states) - 1) / 2) * _step(states)


def _strategy_axis(ax, names):
    few_columns = len(names) > 1 and max(map(len, names)) > 9
    ax.set_xticks(range(len(names)), names, rotation=20 if few_columns else 0, ha="right" if few_columns else "center")
    ax.set_xlim(-0.6, len(names) - 0.4)


def _panels(rows, columns, width, height):
    figure, axes = pyplot.subplots(rows, columns, figsize=(width, height * rows + LEGEND_INCHES), squeeze=False,
                                   sharey=True, constrained_layout=True)
    return figure, list(axes.flat)


def _log_axes(axes, columns, label, room):
    """One log scale for all panels, with room (factors) below and above, numbers at 1, 2, 5, and a quiet grid."""
    first = axes[0]
    first.set_yscale("log")
    low, high = first.get_ylim()
    first.set_ylim(low / room[0], high * room[1])
    few = first.get_ylim()[1] / first.get_ylim()[0] < 300

    def form(value, _):
        lead = f"{value:.0e}"[0]
        return f"{value:,.10g}".replace(",", "\u202f") if lead == "1" or (few and lead in "25") else ""

    for index, ax in enumerate(axes):
        ax.yaxis.set_major_formatter(FuncFormatter(form))
        ax.yaxis.set_minor_formatter(FuncFormatter(form))
        ax.tick_params(axis="y", which="minor", labelsize=8)
        ax.grid(axis="y", color="#7F7F7F", alpha=0.3, lw=0.6)
        if index % columns == 0:
            ax.set_ylabel(label)


def _legend(figure, handles):
    figure.legend(handles=list(handles), loc="upper left", bbox_to_anchor=(0, 1), ncol=8, frameon=False,
                  fontsize=8.5, borderaxespad=0.2, handlelength=1.8, columnspacing=1.4)


def _render(figure, slug, title):
    try:
        png, svg = io.BytesIO(), io.StringIO()
        figure.get_layout_engine().set(h_pad=0.08, rect=(0, 0, 1, 1 - LEGEND_INCHES / figure.get_figheight()))
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.set_layout_engine("none")  # laid out once is enough
        figure.text(0.01, 1.01, plain(title), va="bottom", fontsize=11)
        figure.savefig(png, format="png", dpi=130, facecolor="white", bbox_inches="tight",
                       metadata={"Software": None})
        return _inline(svg.getvalue(), slug, title), png.getvalue()
    finally:
        pyplot.close(figure)


def _inline(svg, slug, title):
    """An SVG file as an element: in the page's text colour, with ids that no other figure has, named for readers
    who do not see it."""
    from markupsafe import escape
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r'\bid="', f'id="{slug}-', svg)
    svg = svg.replace("url(#", f"url(#{slug}-").replace('href="#', f'href="#{slug}-')
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(plain(title))}" ', 1)


def _slug(text, taken):
    """The text as a file name: letters, digits, dashes, dots in numbers; unlike any in `taken`, which gains it."""
    base = re.sub(r"([^A-Za-z0-9.]|(?<!\d)\.|\.(?!\d))+", "-", text).strip("-")[:80]
    slug, count = base, 2
    while slug.lower() in taken:
        slug, count = f"{base}-{count}", count + 1
    taken.add(slug.lower())
    return slug
