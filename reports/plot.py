# SPDX-License-Identifier: GPL-2.0-only
"""How all figures are drawn with matplotlib: SVG text to put into a page, PNG bytes to put beside it.

The same result gives the same bytes. Colours are those of Okabe and Ito and near ones, each of which stands out from
white and from the dark page; a strategy has one colour and one marker in all figures of a result, so that print and an eye that sees
colours differently can tell them apart; strategies of one family are of one hue. A Result is of one time domain, so no axis holds two.
"""

import io
import math
import re
from dataclasses import dataclass, field

from mpl import matplotlib  # before any part of it
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

import cells
from load import plain

matplotlib.use("Agg")

# (colour, marker) of the strategies of a family, one hue a family, in the order of the result's table.
FAMILY_STYLES = {
    "floor": (("#7F7F7F", "o"),),
    "call": (("#0072B2", "s"), ("#56B4E9", "v"), ("#3D8FA8", "<")),
    "map_sync": (("#D55E00", "D"), ("#E69F00", "^"), ("#A0522D", "8")),
    "sync_fault": (("#AA4499", "P"), ("#CC79A7", "p")),
    "sync_retry": (("#009E73", "X"), ("#7A9A01", "*"), ("#00774F", "d"), ("#6FBF4A", (4, 1, 0))),
    "frozen": (("#7B6BD6", "h"), ("#A99BE8", ">")),
}
# Of results that do not say which family a strategy is of, and of families that are not named here.
NEUTRAL_STYLES = (("#7F7F7F", "o"), ("#0072B2", "s"), ("#D55E00", "D"), ("#AA4499", "P"), ("#009E73", "X"), ("#7A9A01", "*"),
                  ("#7B6BD6", "h"), ("#56B4E9", "v"), ("#CC79A7", "^"), ("#E69F00", "<"), ("#3D8FA8", "p"), ("#A0522D", "8"),
                  ("#00774F", "d"), ("#6FBF4A", (4, 1, 0)), ("#A99BE8", ">"))
WIDE_INCHES = 8
INK = "#1b2733"  # replaced by the page's own text colour in an SVG
STYLE = {
    "svg.hashsalt": "faultline", "svg.fonttype": "none", "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False,
    "axes.spines.right": False, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.axisbelow": True, "hatch.linewidth": 0.8, "hatch.color": INK,
    "text.parse_math": False, "axes.formatter.use_mathtext": False, "path.simplify": False,
}
# Inches. Every figure is laid out by hand: matplotlib's own layout draws each text three times.
TITLE, LEGEND_ROW, CHARACTER, MARGIN, LEAST_WIDTH = 0.34, 0.22, 0.073, 0.12, 6.5
NARROW_WIDTH = 3.4  # of a figure for a window of 360 pixels, which has 328 for it


@dataclass
class Figure:
    """A figure.

    slug: a name for its file, unique in its result; kind: the id of its row in the table of figures; title, caption:
    text; contest: the workload, if it shows contests, else ""; wide: whether it needs a wide window to be read; svg:
    markup; narrow: markup of the same for a narrow window, or ""; png: bytes; rows: names of the rows it shows; kernels: of
    those rows.
    """

    slug: str
    title: str
    caption: str
    contest: str
    wide: bool
    svg: str
    png: bytes
    kind: str = ""
    rows: list = field(default_factory=list)
    kernels: list = field(default_factory=list)
    narrow: str = ""


def strategy_styles(strategies):
    """{id: (colour, marker)} of strategies, rows of a result's table with `id` and, where it is known, `family`."""
    found, seen = {}, {}
    for row in strategies:
        family = row.get("family")
        if family in FAMILY_STYLES:
            styles = _with_more(FAMILY_STYLES[family])
            index = seen[family] = seen.get(family, -1) + 1
            found[row["id"]] = styles[index % len(styles)]
    free = [style for style in _with_more(NEUTRAL_STYLES) if style not in found.values()]
    others = [row["id"] for row in strategies if row["id"] not in found]
    found.update((name, free[index % len(free)]) for index, name in enumerate(others))
    return found


def _with_more(styles):
    """A family's styles, and behind them its colours with markers that are others' in their own."""
    return [*styles, *((colour, marker) for _, marker in NEUTRAL_STYLES for colour, own in styles if marker != own)]


def styles(result):
    """A function that says (colour, marker) of a strategy of the Result, with or without its K."""
    found = strategy_styles(result.tables.get("strategy", ()))
    found.update({cells.label(row): found[row["strategy"]] for row in result.rows.values()})
    return lambda name: found.get(name, NEUTRAL_STYLES[0])


class Sheet:
    """A figure in the making: panels in rows and columns, and a hover text for each mark.

    panel: (width, height) in inches, the least width; height: of all rows, or a list with one for each; names: texts down the left
    side, for which room is made; below: inches under each panel for its ticks; gap: inches between columns; legend: [(handle)] above
    all; least: the least width of the figure.
    """

    def __init__(self, rows, columns, panel, names=(), below=0.45, between=0.3, gap=0.25, legend=(), right=MARGIN, least=LEAST_WIDTH):
        self.marks, self.rows = [], {}
        left = MARGIN + 0.1 + CHARACTER * min(36, max(map(len, names), default=9))
        self.panel = max(panel[0], (least - left - right - (columns - 1) * gap) / columns)
        heights = panel[1] if isinstance(panel[1], list) else [panel[1]] * rows
        width = left + columns * self.panel + (columns - 1) * gap + right
        entries = [0.5 + CHARACTER * len(handle.get_label()) for handle in legend]
        per_row = max(1, int((width - 0.2) / max(entries, default=1)))
        head = TITLE + 0.3 + LEGEND_ROW * math.ceil(len(entries) / per_row)
        height = head + sum(heights) + (rows - 1) * (below + between) + below + MARGIN
        self.figure = Canvas(figsize=(width, height))
        self.axes = [self.figure.add_axes(((left + column * (self.panel + gap)) / width,
                                           1 - (head + sum(heights[:row + 1]) + row * (below + between)) / height,
                                           self.panel / width, heights[row] / height))
                     for row in range(rows) for column in range(columns)]
        self.columns = columns
        if legend:
            self.figure.legend(handles=list(legend), loc="upper left", bbox_to_anchor=(0.01, 1 - TITLE / height),
                               ncol=min(per_row, len(entries)), frameon=False, fontsize=8.5, borderaxespad=0.1,
                               handlelength=1.8, columnspacing=1.2)

    def mark(self, artist, row, text):
        """Give an artist the hover text, and with it the row's name and strategy."""
        artist.set_gid(f"m{len(self.marks)}")
        self.marks.append((row, text))
        self.show(row)

    def show(self, row):
        """The figure shows this row."""
        self.rows.setdefault(row["name"], row)

    def svg(self, title, prefix):
        """The figure as an element alone, without its PNG."""
        return _svg(self, prefix, title)

    def finish(self, slug, kind, title, caption, contest="", prefix=None):
        """The Figure. prefix: of the ids in its SVG, unlike that of any other on the page."""
        svg, png = _render(self, prefix or slug, title)
        return Figure(slug, title, caption, contest, self.figure.get_figwidth() > WIDE_INCHES, svg, png, kind,
                      list(self.rows), list(dict.fromkeys(row["kernel"] for row in self.rows.values())))


def grouped(value):
    """A number with its digits in groups of three; of ten millions on, in millions."""
    if abs(value) >= 1e7:
        return f"{value / 1e6:,.10g}".replace(",", "\u202f") + "\u202fM"
    return f"{value:,.10g}".replace(",", "\u202f")


def linear(axis, most):
    """A linear axis from 0 with few ticks."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))


def logarithmic(ax, which, least, most, room=1.3):
    """A log axis over these values, with numbers at powers of ten, and at 2 and 5 where there is room."""
    low, high = least / room, most * room
    getattr(ax, f"set_{which}scale")("log")
    getattr(ax, f"set_{which}lim")(low, high)
    axis = getattr(ax, f"{which}axis")
    few = high / low < 150
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if few else (1,), numticks=8))
    axis.set_minor_locator(LogLocator(10, subs=(1,) if few else (2, 5), numticks=30))
    axis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value)))
    axis.set_minor_formatter(NullFormatter())


def quiet_grid(ax, axis):
    """Lines that lead the eye from the axis."""
    ax.grid(axis=axis, color="#7F7F7F", alpha=0.3, lw=0.6)


def _render(sheet, slug, title):
    """(SVG as an element, PNG). The PNG has the title; from the SVG its strip is cut."""
    figure, png = sheet.figure, io.BytesIO()
    svg = _svg(sheet, slug, title)
    height, width = figure.get_figheight(), figure.get_figwidth()
    head = figure.text(MARGIN / width, 1 - 0.09 / height, _fitted(title, width), va="top", fontsize=11)
    figure.savefig(png, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None},
                   pil_kwargs={"compress_level": 6})
    head.remove()
    return svg, png.getvalue()


def _svg(sheet, slug, title):
    svg = io.StringIO()
    sheet.figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    text = svg.getvalue()
    strip = (TITLE - 0.06) * 72
    text = re.sub(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', lambda m: f'viewBox="0 {strip:g} {m[1]} {float(m[2]) - strip:g}"',
                  text, count=1)
    text = re.sub(r'height="([\d.]+)pt"', lambda m: f'height="{float(m[1]) - strip:g}pt"', text, count=1)
    return inline(text, slug, title, sheet.marks)


PNG_DPI = 130


def _fitted(title, width):
    room = int((width - 2 * MARGIN) / (CHARACTER * 1.22))
    title = plain(title)
    return title if len(title) <= room else title[:room - 1] + "\u2026"


def inline(svg, slug, title, marks):
    """An SVG file as an element: in the page's text colour, with ids that no other figure has, named for readers
    who do not see it, each mark with its hover text."""
    from markupsafe import escape
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = svg.replace(INK, "currentColor")

    def hover(match):
        row, text = marks[int(match[1])]
        cell = escape(plain(row["name"]))
        return (f'<g class="mark" data-strategy="{escape(plain(row["strategy"]))}" data-fs="{escape(plain(row["fs"]))}"'
                f' data-kernel="{escape(plain(row["kernel"]))}"><title>{escape(plain(text))}\n{cell}</title>')

    svg = re.sub(r'<g id="m(\d+)">', hover, svg)
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: f' id="{slug}-{m[1]}"' if m[1] in used else "", svg)
    svg = svg.replace("url(#", f"url(#{slug}-").replace('href="#', f'href="#{slug}-')
    svg = re.sub(r"(-?\d+\.\d\d)\d+", r"\1", svg)
    svg = re.sub(r' xmlns:\w+="[^"]*"| version="1\.1"', "", svg, count=3)
    svg = re.sub(r"<!--.*?-->", "", svg)
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r'(?<=[\d.]) ?\n(?=[LCQz])', " ", svg).replace(' \n"', '"')
    svg = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(plain(title))}" ', 1)


def slug_of(text, taken):
    """The text as a file name: letters, digits, dashes, dots in numbers; unlike any in `taken`, which gains it."""
    base = re.sub(r"([^A-Za-z0-9.]|(?<!\d)\.|\.(?!\d))+", "-", text).strip("-")[:80]
    slug, count = base, 2
    while slug.lower() in taken:
        slug, count = f"{base}-{count}", count + 1
    taken.add(slug.lower())
    return slug
