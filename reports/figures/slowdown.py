# SPDX-License-Identifier: GPL-2.0-only
"""Worst slowdown of a contest by touch and strategy: a heat map of victims, and one of bystanders."""

from mpl import matplotlib
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

import table
from figures.drawing import strategy_labels
from figures.kind import Kind, RUN, contest_text, contests_of
from load import plain
from number import counted
from plot import INK, Sheet, grouped

# Of so few steps that the SVG needs no bitmap for its colour bar; grey alike to every eye.
HEAT = matplotlib.colormaps["cividis"].resampled(32)
STARVED = "#D55E00"
CONTEST_CAPTIONS = {
    "dos": "Each cell is the worst of its runs, over the victim alone. A frame: a fault outlasted its deadline, and "
           "the figure is the least that it can be. An errno: each touch was refused.",
    "bystander": "Each cell is the worst of its runs, over the bystander beside faults that sync nothing (of a strategy that syncs nothing: "
                 "how far two such runs lie apart). A frame, never: not one touch ended in a run. An errno: each touch was refused.",
}


def _heat(panels, result):
    """Worst slowdown of contests: touches down, strategies across; starved cells framed."""
    names = strategy_labels(result, panels)
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
            retries = "" if row["retries_max"] is None else f", at most {counted(row['retries_max'], 'retry', 'retries')}"
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


KINDS = (
    Kind(110, "dos", "Worst slowdown by touch and strategy", CONTEST_CAPTIONS["dos"], "contests of the workload dos",
         RUN + "--workload dos --state written --touch utimens,append,truncate --out more/dos", contests_of("dos"),
         contest_text, _heat, "dos"),
    Kind(140, "bystander", "Worst slowdown of a bystander by touch and strategy", CONTEST_CAPTIONS["bystander"],
         "contests of the workload bystander",
         RUN + "--workload bystander --state hole --touch mmap,read_fault --strategy "
         "volatile,map_sync,sync_fault,sync_retry --out more/bystander", contests_of("bystander"), contest_text, _heat,
         "bystander"),
)
