# SPDX-License-Identifier: GPL-2.0-only
"""The report: one HTML page that needs nothing but itself, the figures as PNG files and the verdicts as JSON beside it."""

import base64
import hashlib
import json
import os
import re
import shlex

import jinja2
from markupsafe import Markup, escape

import answer
import claims
import compare
import crash
import load
import rerun
import stats
import table
import vocabulary
from cells import label
from files import write_files
from load import plain
from number import counted

PAGE, CLAIMS = "report.html", "claims.json"
FIRST = "cost"  # the kind of the figure that stands beside the answer
TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


def write(inputs, folder, verdicts, comparison=None):
    """Write the page, the figures and claims.json of Inputs into a folder, which is made; returns the paths written.

    verdicts: as claims.judge returns them. comparison: as compare_report.build returns it, put before all else. Each file is complete or not there.
    ReportError when the folder cannot be written to.
    """
    import figures  # slow to import
    made = figures.figures(inputs.result)
    files = {f"{figure.slug}.png": figure.png for figure in made}
    files[CLAIMS] = (json.dumps(claims.public(verdicts), indent=1, allow_nan=False) + "\n").encode("utf-8", "replace")
    files[PAGE] = page(inputs, made, verdicts, comparison).encode("utf-8")
    return write_files(folder, files, "name another folder with --out")


def page(inputs, made, verdicts, comparison=None):
    """The page of Inputs with these figures ([plot.Figure]) and verdicts as text."""
    import figures
    result = inputs.result
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, finalize=_finalize,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(figure=_figure, prose=_prose, signed=lambda value: _figure(value, sign=True), times=_times,
                               share=_share, lines=lambda names: Markup("\n".join(escape(plain(name)) for name in names)),
                               command_lines=lambda lines: Markup("\n".join(escape(plain(line)) for line in lines)))
    data = {**table.build(result), "kara2017": result.kara or table.kara2017.compare(result)}
    anchors = _anchors(data)
    script = environment.loader.get_source(environment, "report.js")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    rows = list(result.rows.values())
    told = answer.build(result, inputs.crashes)
    shown = [_shown(result, figure, anchors) for figure in made]
    first = next((one for one in shown if one["figure"].kind == FIRST and told), None)
    return environment.get_template("report.html.j2").render(
        table=data, words=_words(result), summary=table.summary(data), about=_about(result), figures=shown, first=first,
        ordinary=[one for one in shown if not one["figure"].contest and one is not first],
        answer=answer.say(told, data["unit"], result.words.kernel_name), answer_scope=answer.scope(told),
        untried=answer.NO_CUTS if answer.is_untried(told) else "",
        missing=figures.missing(result, made), anchors=anchors, section_key=_key,
        commands=[(path, shlex.join(context["command_line"])) for path, context in result.parts],
        environment=environment_rows(result.context), virtual=data["time_domain"] == "virtual",
        quantiles=[(q, q.replace("_", ".")) for q in table.QUANTILES], tax_percent=_tax_percent,
        PROBED_NOTE=table.PROBED_NOTE, contest_notes=table.contest_notes(data), refused_note=table.refused_note(data),
        slowdown=_slowdown, refusal=table.refusal, grid=claims.grid(verdicts), claims=_claims(result, verdicts),
        to_decide=claims.to_decide(result.context, verdicts, "more/claims"), say=_say, thresholds=list(claims.SENSITIVITY.values()),
        scope_words=claims.scope_words, samples_words=claims.samples_words, band_words=claims.band_words,
        nearest_words=claims.nearest_words, media_words=claims.media_words, unread=claims.unread(result, verdicts), features=_features(verdicts),
        guarantees=crash.guarantees(inputs.crashes, result), counted=counted, crash_words=crash.words, crash_kinds=crash.KINDS, crash_models=crash.model_notes(inputs.crashes),
        crash_parts=[document.get("context", {}) for document in inputs.crashes],
        flames=[(name, Markup(svg)) for name, svg in _flames(inputs)],
        filters=[("kernel", sorted({row["kernel"] for row in rows}, key=result.words.kernel_rank)),
                 ("fs", list(dict.fromkeys(row["fs"] for row in rows))),
                 ("strategy", list(dict.fromkeys(row["strategy"] for row in
                                                 sorted(rows, key=result.words.strategy_rank))))],
        comparison=comparison, kernel_text=result.words.kernel_text, kernel_name=result.words.kernel_name,
        strategies={label(row): row["strategy"] for row in rows}, script=Markup(script), digest=digest)


# The words that the page explains, by the tables of a result that have them.
TOLD = {"strategy": "Strategies", "state": "States of a block", "order": "Sizes of an entry", "workload": "Workloads", "touch": "Touches",
        "setting": "Settings of a contest", "fs": "File systems", "probes": "Sets of probes", "phase": "Phases of a fault"}


def _words(result):
    """[(title, [(id, summary)])] of what the rows of a Result name and its tables explain."""
    rows = list(result.rows.values())
    used = {table: {row.get(field) for row in rows} for table, field in vocabulary.FIELDS.items()}
    used["phase"] = {phase["id"] for row in rows for phase in row.get("phases") or ()}
    found = [(title, [(name, result.words.about(table, name).get("summary")) for name in result.words.ids(table) if name in used[table]])
             for table, title in TOLD.items()]
    found = [(title, [(name, summary) for name, summary in told if summary]) for title, told in found]
    return [(title, told) for title, told in found if told]


def _about(result):
    """On a line: of which kernels, file systems and day the result is, and of which faultline."""
    context = result.context
    kernels = ", ".join(map(result.words.kernel_text, compare.kernels_of(result))) or "no kernel"
    file_systems = ", ".join(dict.fromkeys(row["fs"] for row in sorted(
        result.rows.values(), key=lambda row: result.words.rank("fs", row["fs"]))))
    return ". ".join(filter(None, (f"Kernel {kernels}", file_systems, f"Measured {context['date'][:10]} by "
                                   f"{load.tool(context)}"))) + "."


def _shown(result, figure, anchors):
    rows = [result.rows[name] for name in figure.rows if name in result.rows]
    links = dict.fromkeys(anchors[key] for key in map(_row_key, rows) if key in anchors)
    return {"figure": figure, "svg": Markup(figure.svg), "narrow": Markup(figure.narrow), "links": list(links),
            "kernels": list(dict.fromkeys(row["kernel"] for row in rows)),
            "file_systems": list(dict.fromkeys(row["fs"] for row in rows)),
            "command": rerun.command(result, rows, f"again/{figure.kind}") if rows else ""}


def _anchors(data):
    """{key of a section: (id, what to call it)} of the tables' sections."""
    return {_key(section): (f"s{index}", ", ".join((data["kernels"][section["kernel"]], section["fs"], section["workload"])))
            for index, section in enumerate([*data["sections"], *data["contests"]])}


def _key(section):
    return (section["kernel"], section["fs"], section["workload"], section["order"], section["threads"],
            section.get("state"), section.get("setting"))


def _row_key(row):
    key = table.cells.section_key(row)
    return (*key, row["state"], row["setting"]) if table.cells.is_contest(row) else (*key, None, None)


def _claims(result, verdicts):
    found = []
    for claim in claims.CLAIMS:
        mine = [one for one in verdicts if one["id"] == claim.id]
        found.append({"id": claim.id, "text": claim.text, "source": claim.source, "said": claim.said, "rule": claim.rule,
                      "verdicts": mine, "overall": claims.overall(claim, mine),
                      "commands": claims.to_decide(result.context, mine, f"more/{claim.id}")})
    return found


def _features(verdicts):
    """[(file system, its features, its mount line)] of the verdicts, once each."""
    return list(dict.fromkeys((one["fs"], ", ".join(one["scope"]["features"] or ["not recorded"]),
                               one["scope"]["mount"] or "not recorded") for one in verdicts))


def _flames(inputs):
    import flamegraph
    for name, stacks in inputs.flames:
        svg = flamegraph.svg(stacks, name, inputs.result.context["unit"] if
                             inputs.result.context["time_domain"] == "virtual" else "samples")
        yield name, svg[svg.index("<svg"):]


def environment_rows(context):
    """Everything in a context but its words as (dotted name, text), in the order of the file; argument lists as a shell
    takes them."""
    rows = []

    def walk(value, trail):
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, trail + [str(key)])
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            rows.append((" / ".join(trail), shlex.join(value) or "-"))
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            rows.append((" / ".join(trail), "; ".join(_entry(item) for item in value)))
        elif isinstance(value, float):
            rows.append((" / ".join(trail), f"{value:.10g}"))
        elif isinstance(value, bool):
            rows.append((" / ".join(trail), "yes" if value else "no"))
        else:
            rows.append((" / ".join(trail), "-" if value is None or value == {} else str(value)))

    walk({key: value for key, value in context.items() if key != "tables"}, [])
    return rows


def _entry(item):
    """An entry of a list, in words: what it says, and nothing of what it leaves empty."""
    return ", ".join(f"{key} {value}" for key, value in item.items() if value not in ("", None, [], {}))


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


def _prose(text):
    """A sentence with the digits of its great numbers in groups, and its commands as such."""
    text = re.sub(r"(?<![\w.-])\d{5,}(?![\w.-]*\w)", lambda match: f"{int(match[0]):,}".replace(",", "\u202f"),
                  str(escape(plain(text))))
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", text))


def _say(figure):
    """A deciding figure in words, its digits grouped."""
    text = claims.figure_words(figure)
    number, _, rest = text.partition(" ")
    if number.isdigit():
        number = f"{int(number):,}".replace(",", "\u202f")
    return Markup("{} ").format(Markup(number)) + plain(rest) if number.replace("\u202f", "").isdigit() else plain(text)


def _times(value):
    return Markup("\u2013" if value is None else f"{value:.2f}")


def _slowdown(value, at_least):
    return Markup(table.slowdown(value, at_least).replace(">=", "\u2265"))


def _share(value):
    return Markup("\u2013" if value is None else f"{value:.3f}")


def _tax_percent(row):
    value = stats.ratio(row["tax"], row["per_fault"])
    return Markup("\u2013" if value is None else f"{value * 100:+.1f}\u00a0%".replace("-", "\u2212"))
