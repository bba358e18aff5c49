# SPDX-License-Identifier: GPL-2.0-only
"""The report: one HTML page that needs nothing but itself, and the figures as PNG files beside it."""

import os
import shlex

import jinja2
from markupsafe import Markup

import stats
import table
from files import write_files
from load import plain

PAGE = "report.html"
TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


def write(result, folder):
    """Write the page and the figures of a Result into a folder, which is made; returns the paths written.

    Each file is complete or not there. ReportError when the folder cannot be written to.
    """
    import plot  # slow to import
    figures = plot.figures(result)
    files = {f"{figure.slug}.png": figure.png for figure in figures}
    files[PAGE] = page(result, figures).encode("utf-8")
    return write_files(folder, files, "name another folder with --out")


def page(result, figures):
    """The page of a Result with these figures ([plot.Figure]) as text."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, finalize=_finalize,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(figure=_figure, signed=lambda value: _figure(value, sign=True), times=_times,
                               share=_share)
    data = table.build(result)
    return environment.get_template("report.html.j2").render(
        table=data, summary=table.summary(data), figures=[(f, Markup(f.svg)) for f in figures],
        commands=[(path, shlex.join(context["command_line"])) for path, context in result.parts],
        environment=environment_rows(result.context), virtual=data["time_domain"] == "virtual",
        quantiles=[(q, q.replace("_", ".")) for q in table.QUANTILES], tax_percent=_tax_percent,
        PROBED_NOTE=table.PROBED_NOTE, contest_notes=table.contest_notes(data), refused_note=table.refused_note(data),
        slowdown=_slowdown, refusal=table.refusal)


def environment_rows(context):
    """Everything in a context as (dotted name, text), in the order of the file; argument lists as a shell takes
    them."""
    rows = []

    def walk(value, trail):
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, trail + [str(key)])
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            rows.append((" / ".join(trail), shlex.join(value)))
        elif isinstance(value, bool):
            rows.append((" / ".join(trail), "yes" if value else "no"))
        else:
            rows.append((" / ".join(trail), "-" if value is None or value == {} else str(value)))

    walk(context, [])
    return rows


def _finalize(value):
    """Every text that reaches the page is made plain; markup of our own passes."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else plain(value)


# The filters give markup: their characters are ours, and plain() would spell out the narrow spaces.
def _figure(value, sign=False):
    """A figure with its digits in groups of three."""
    text = table.number(value, sign)
    digits = text.lstrip("+-")
    if not digits.isdigit():
        return _times(None) if value is None else Markup(text.replace("-", "\u2212"))
    groups = f"{int(digits):,}".replace(",", "\u202f")
    return Markup(text[:len(text) - len(digits)].replace("-", "\u2212") + groups)


def _times(value):
    return Markup("\u2013" if value is None else f"{value:.2f}")


def _slowdown(value, at_least):
    return Markup(table.slowdown(value, at_least).replace(">=", "\u2265"))


def _share(value):
    return Markup("\u2013" if value is None else f"{value:.3f}")


def _tax_percent(row):
    value = stats.ratio(row["tax"], row["per_fault"])
    return Markup("\u2013" if value is None else f"{value * 100:+.1f}\u00a0%".replace("-", "\u2212"))
