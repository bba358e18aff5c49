# SPDX-License-Identifier: GPL-2.0-only
"""A trend over kernels, as trend.build returns it. No kind of a report: `faultline trend` draws it."""

import io
import warnings

from mpl import matplotlib
import matplotlib.pyplot as pyplot
from matplotlib.ticker import FuncFormatter

import releases
import trend
from figures.drawing import dash_of
from load import plain
from plot import INK, STYLE, WIDE_INCHES, Figure, inline, slug_of, strategy_styles

LEGEND_INCHES = 0.35


def trend_figures(data):
    """The figures of a trend, as trend.build returns it: one per workload, order, threads and metric."""
    groups, made, slugs = {}, [], set()
    for row in data["rows"]:
        fs, *rest = trend.section(row)
        groups.setdefault(tuple(rest), {}).setdefault(fs, []).append(row)
    for key, panels in groups.items():
        with matplotlib.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure = _trend(panels, data, key[-1])
            title = f"{key[-1]} over kernels: {', '.join(filter(None, key[:-1])) or 'guests'}"
            slug = slug_of(f"trend-{'-'.join(filter(None, key))}", slugs)
            made.append(Figure(slug, title, TREND_CAPTION, "", figure.get_figwidth() > WIDE_INCHES,
                               *_render_laid_out(figure, slug, title)))
    return made


TREND_CAPTION = "A ring: the level changed here. A dotted one: it may have, there are too few samples to say."


def _trend(panels, data, metric):
    """A metric over kernels: a panel for each file system and state, a line for each strategy."""
    states = list(dict.fromkeys(trend.names(row)[1] for rows in panels.values() for row in rows))
    kernels = releases.short(data["kernels"])
    figure, axes = _panels(len(panels), len(states), width=max(5.0, 1.4 + max(2.9, 0.6 * len(kernels)) * len(states)),
                           height=2.6)
    handles, style_of = {}, strategy_styles(data["strategies"])
    alike = {}
    for row in (row for rows in panels.values() for row in rows):
        alike.setdefault(row["fields"].get("strategy"), {})[trend.names(row)[0]] = None
    for index, ax in enumerate(axes):
        fs, state = list(panels)[index // len(states)], states[index % len(states)]
        for row in (row for row in panels[fs] if trend.names(row)[1] == state):
            name = trend.names(row)[0]
            colour, marker = style_of.get(row["fields"].get("strategy"), ("#7F7F7F", "x"))
            points = [(x, y, mark) for x, (y, mark) in enumerate(zip(row["figures"], row["marks"]))
                      if y is not None and y > 0]
            line, = ax.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, marker=marker, ms=4.5,
                            lw=1.4, ls=dash_of(name, list(alike[row["fields"].get("strategy")])), label=name)
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


def _render_laid_out(figure, slug, title):
    try:
        png, svg = io.BytesIO(), io.StringIO()
        figure.get_layout_engine().set(h_pad=0.08, rect=(0, 0, 1, 1 - LEGEND_INCHES / figure.get_figheight()))
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        figure.set_layout_engine("none")  # laid out once is enough
        figure.text(0.01, 1.01, plain(title), va="bottom", fontsize=11)
        figure.savefig(png, format="png", dpi=130, facecolor="white", bbox_inches="tight",
                       metadata={"Software": None})
        return inline(svg.getvalue(), slug, title, []), png.getvalue()
    finally:
        pyplot.close(figure)
