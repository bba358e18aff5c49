# SPDX-License-Identifier: GPL-2.0-only
"""The report without a page: plain text, Markdown for a comment, CSV for a spreadsheet."""

import csv
import io
import textwrap

import answer
import cells
import claims
import crash
import load
import table
from load import plain
from number import counted, number

WIDTH = 72


def text(inputs, verdicts):
    """Lines of at most 72 columns."""
    data = table.build(inputs.result)
    lines = [*_wrap(incomplete(data)), ""] if incomplete(data) else []
    lines += _answer(inputs, data)
    lines += _wrap(table.summary(data)) + _wrap(f"unit {data['unit']} ({data['time_domain']}): {data['note']}")
    for note in data["notes"]:
        lines += _wrap(f"note: {note}")
    rows = crash.guarantees(inputs.crashes, inputs.result)
    if rows:
        lines += ["", f"GUARANTEE AND PRICE ({', '.join(crash.KINDS)} after power cuts)", ""]
        lines += [line for note in crash.model_notes(inputs.crashes) for line in _wrap(note)] + [""]
        lines += _grid(GUARANTEE_COLUMNS, rows)
    for section in data["sections"]:
        lines += ["", *_wrap(f"{section['kernel_text']}, {section['fs']}, {section['workload']}, "
                             f"{section['order']}, threads {section['threads']}; {data['unit']}"), ""]
        lines += _grid(COST_COLUMNS, section["rows"])
    for section in data["contests"]:
        lines += ["", *_wrap(f"{section['kernel_text']}, {section['fs']}, {section['workload']}, "
                             f"{section['state']}, {section['setting']}; {data['unit']}"), ""]
        lines += _grid(table.contest_columns(CONTEST_COLUMNS, section), section["rows"])
    for group in data["not_measured"]:
        lines += ["", *_wrap(f"{group['status']}: {group['reason']} ({counted(len(group['cells']), 'cell')}, the first "
                             f"{group['cells'][0]})")]
    lines += _claims(inputs.result, verdicts)
    todo = claims.to_decide(inputs.result.context, verdicts, "more/claims")
    if todo:
        lines += ["", "To decide the rest, measure:"]
        for command in todo:
            lines += _wrap(command, "  ", " \\")
    return "\n".join(lines) + "\n"


def incomplete(data):
    """What stands before the answer where the run did not measure all it was asked to, else nothing."""
    return "" if data["complete"] else f"INCOMPLETE: {data['reason']}"


def _answer(inputs, data):
    """The answer in a minute, and an empty line; nothing where nothing durable was measured."""
    rows = answer.build(inputs.result, inputs.crashes)
    if not rows:
        return []
    lines = ["THE ANSWER"]
    for one in answer.say(rows, data["unit"], inputs.result.words.kernel_name):
        lines += ["", *_wrap(answer.title(one))]
        for sentence in one["sentences"]:
            lines += _wrap(sentence, "  ")
    lines += ["", *(_wrap(answer.NO_CUTS) if answer.is_untried(rows) else []), *_wrap(f"Of {answer.scope(rows)}.")]
    return [*lines, ""]


def _claims(result, verdicts):
    lines = ["", "CLAIMS of a thread of June 2017, by cases"] if verdicts else []
    nothing_of, name = [], result.words.kernel_name
    for claim in claims.CLAIMS:
        mine = [one for one in verdicts if one["id"] == claim.id]
        told = [one for one in mine if not _is_bare(one)]
        if len(told) < len(mine) and not any(one["read"] for one in told) or not mine:
            nothing_of += [claim.id] * bool(mine)
            continue
        lines += ["", *_wrap(f"{claim.id}  \"{claim.text}\""), *_wrap(f"{claim.source}. {claim.said}", "    "),
                  *_wrap(f"Rule: {claim.rule}", "    "),
                  *_wrap(f"As a whole: {claims.overall(claim, mine)['word']}.", "    ")]
        for one in told:
            lines += _wrap(f"{_upper(one)}: {_place(one, name)}", "    ")
            for text in [one["note"]] * bool(one["note"]) + _beside(one) + [
                    f"{figure['name']}: {claims.figure_words(figure)}" for figure in one["figures"]] + one["reasons"] + \
                    _missing(one):
                lines += _wrap(text, "      ")
        lines += _bare(claim, [one for one in mine if _is_bare(one)], name)
    if nothing_of:
        lines += ["", *_wrap(f"{', '.join(nothing_of)}: {claims.NOT_DECIDED.upper()}, nothing that they ask for was measured")]
    if any(one["band"] is not None for one in verdicts):
        lines += ["", "VERDICTS BY THRESHOLD (+ holds here, - does not hold here, . not", "decided, * depends)", ""]
        lines += _sensitivity(verdicts, name)
    for workload, names in claims.unread(result, verdicts):
        lines += _wrap(f"read by no rule: {counted(len(names), 'cell')} of {workload}, such as {names[0]}")
    return lines


def _is_bare(one):
    """Whether there is no more to say of a verdict than what was not measured."""
    return not one["figures"] and not one["reasons"] and bool(one["missing"])


def _bare(claim, several, name):
    """The cases of a claim of which nothing was measured, and where, if not the same everywhere."""
    where = {}
    for one in several:
        where.setdefault(one["case"], []).append(f"{name(one['kernel'])} {one['fs']}")
    same = len({tuple(places) for places in where.values()}) == 1
    cases = [case if same else f"{case} ({', '.join(places)})" for case, places in where.items()]
    return _wrap(f"{claims.NOT_DECIDED.upper()}, not measured: {claims.listed(claim, cases)}", "    ") if cases else []


def _upper(one):
    return one["word"].replace(one["verdict"], one["verdict"].upper(), 1)


def _beside(one):
    """What stands beside a word: of what it speaks, by how many samples, for which thresholds, and what is nearest."""
    lines = [f"Scope: {claims.scope_words(one['scope'])}."]
    if one["band"] is not None:
        lines.append(f"By {claims.samples_words(one['samples'])}, {claims.band_words(one['band'])}; nearest to a limit: "
                     f"{claims.nearest_words(one['nearest'])}.")
    lines += filter(None, [claims.media_words(one["media"])])
    return lines


MARKS = {claims.HOLDS: "+", claims.FAILS: "-", claims.NOT_DECIDED: ".", claims.DEPENDS: "*"}


def _sensitivity(verdicts, name):
    """A line a verdict that is decided at any threshold, with a mark a threshold."""
    lines = [" " * 24 + "".join(title.rjust(6) for title in claims.SENSITIVITY)]
    last = None
    for one in verdicts:
        if one["band"] is None:
            continue
        if (one["id"], one["case"]) != last:
            last = one["id"], one["case"]
            lines += _wrap(f"{one['id']} {one['case']}")
        lines.append("  " + _fitted(plain(f"{name(one['kernel'])} {one['fs']}"), 22) +
                     "".join(MARKS[one["sensitivity"][title]].rjust(6) for title in claims.SENSITIVITY))
    return lines


def _missing(one):
    missing = one["missing"]
    return [f"not measured: {counted(len(missing), 'cell')}, such as {missing[0]}"] if missing else []


def _place(one, name):
    return ", ".join(filter(None, (name(one["kernel"]), one["fs"], one["case"])))


def _wrap(line, indent="", end=""):
    """The line in lines of at most 72 columns; end: at each but the last."""
    found = textwrap.wrap(plain(line), WIDTH - len(end), initial_indent=indent, subsequent_indent=indent + "  ",
                          break_on_hyphens=False) or [""]
    return [part + end for part in found[:-1]] + found[-1:]


def _grid(columns, rows):
    return table.grid(columns, rows, table.WORDS + ("fs",), WIDTH)


def _fitted(name, width):
    return (name if len(name) <= width else name[:width - 1] + "~").ljust(width)


def _ratio(row):
    return "-" if row["ratio"] is None else f"{row['ratio']:.2f}"


COST_COLUMNS = (("strategy", lambda r: r["strategy"] + "*" * r["probed_only"]), ("state", lambda r: r["state"]),
                ("per_page", lambda r: number(r["per_page"])), ("ratio", _ratio),
                ("tax", lambda r: number(table.tax(r), sign=True)),
                ("syncs/fault", lambda r: "-" if r["syncs_per_fault"] is None else f"{r['syncs_per_fault']:.3f}"))
CONTEST_COLUMNS = (
    ("touch", lambda r: r["touch"]), (table.ATTACKERS, lambda r: number(r["attackers"])), ("strategy", lambda r: r["strategy"]),
    ("slowdown", lambda r: table.slowdown(r["slowdown"], r["at_least"]) if r["touched"] else table.refusal(r)),
    ("retries", lambda r: number(r["retries_max"]) if r["touched"] else "-"),
    ("starved", lambda r: f"{r['starved']['n']} of {r['starved']['of']}" if r["touched"] else "-"))


def _kept(kind):
    def form(row):
        if row["kept"] is None:
            return row["status"]
        one = row["kept"][kind]
        if one["lost"]:
            return f"LOST {one['lost']}/{one['promised']}"
        return f"kept {one['promised']}" if one["promised"] else f"({one['survived']}/{one['written']})"
    return form


GUARANTEE_COLUMNS = (("fs", lambda r: r["fs"]), ("strategy", lambda r: r["strategy"]), ("state", lambda r: r["state"]),
                     ("per_page", lambda r: number(r["per_page"])), ("points", lambda r: str(r["checked"])),
                     *((kind, _kept(kind)) for kind in crash.KINDS))


def markdown(inputs, verdicts, comparison=None):
    """Markdown for a comment: what changed, the verdicts, what decides them folded away, the costs. comparison: as
    compare_report.build returns it."""
    data, name = table.build(inputs.result), inputs.result.words.kernel_name
    lines = [] if comparison is None else [*_changed(comparison, name), ""]
    lines += [f"**{_cell(incomplete(data))}**", ""] if incomplete(data) else []
    rows = answer.build(inputs.result, inputs.crashes)
    for one in answer.say(rows, data["unit"], inputs.result.words.kernel_name):
        lines += [f"**{_cell(answer.title(one))}**", "", *(f"- {_cell(sentence)}" for sentence in one["sentences"]), ""]
    lines += [_cell(f"Of {answer.scope(rows)}." + f" {answer.NO_CUTS}" * answer.is_untried(rows)), ""] if rows else []
    lines += [_cell(table.summary(data)), "", _cell(f"Unit {data['unit']} ({data['time_domain']}): {data['note']}."), ""]
    if verdicts:
        lines += claims_table(verdicts)
        lines += ["", *cases_table(verdicts, inputs.result.words.kernel_text)]
        lines += ["", "<details><summary>Figures that decide</summary>", ""]
        lines += _table(["claim", "where", "verdict", "beside it", "figures"], [
            [one["id"], _place(one, name), one["word"], " ".join(_beside(one)), "; ".join(
                [f"{figure['name']}: {claims.figure_words(figure)}" for figure in one["figures"]] + one["reasons"] +
                _missing(one))]
            for one in verdicts])
        lines += ["", "</details>", "", "<details><summary>Verdicts by threshold</summary>", ""]
        lines += _table(["claim", "where", *claims.SENSITIVITY], [
            [one["id"], _place(one, name), *(one["sensitivity"][title] for title in claims.SENSITIVITY)] for one in verdicts
            if one["band"] is not None])
        lines += ["", "</details>"]
    todo = claims.to_decide(inputs.result.context, verdicts, "more/claims")
    if todo:
        lines += ["", "To decide the rest:", "", "```", *map(plain, todo), "```"]
    rows = crash.guarantees(inputs.crashes, inputs.result)
    if rows:
        lines += ["", "**Guarantee and price**", "", *_markdown_grid(GUARANTEE_COLUMNS, rows)]
    for section in data["sections"]:
        title = ", ".join([_where(section), section["workload"], section["order"], f"threads {section['threads']}"])
        lines += ["", f"<details><summary>{_cell(title)}</summary>", "", *_markdown_grid(COST_COLUMNS, section["rows"]), "",
                  "</details>"]
    for section in data["contests"]:
        title = ", ".join([_where(section), section["workload"], section["state"], section["setting"]])
        lines += ["", f"<details><summary>{_cell(title)}</summary>", "",
                  *_markdown_grid(table.contest_columns(CONTEST_COLUMNS, section), section["rows"]), "", "</details>"]
    return "\n".join(lines) + "\n"


def _where(section):
    return f"{section['kernel_text']}, {section['fs']}"


def _changed(comparison, name):
    called = comparison["data"]["called"]
    lines = ["**What changed**", ""]
    for line in comparison["lines"]:
        lines += [_cell(line), ""]
    if comparison["rows"]:
        lines += _table(["cell", "metric", "before", "after", "difference", "interval", "verdict"], [
            [row["cell"], row["metric"], number(row["a"]), number(row["b"]),
             f"{row['percent']} {'points' if row['share'] else '%'}", row["interval"], row["verdict"]]
            for row in comparison["rows"]])
    for one in comparison["claims"]:
        place = _place(one, lambda kernel: called.get(kernel) or name(kernel))
        lines += ["", _cell(f"{one['id']} {place}: {one['before']} before, {one['after']} after")]
    return lines


def _cell(text):
    """Text that is neither markup nor the end of a table's cell."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + c if c in "\\`*_[]|#~!" else c for c in text)


def claims_table(verdicts):
    """Markdown: a row a claim, and what is said of it as a whole."""
    return _table(["claim", "its words", "as a whole"], [
        [claim.id, f"\"{claim.text}\" ({claim.source})", claims.overall(
            claim, [one for one in verdicts if one["id"] == claim.id])["word"]] for claim in claims.CLAIMS])


def cases_table(verdicts, kernel_text):
    """Markdown: a row a case, a column a kernel and file system. kernel_text: of a kernel's id."""
    grid = claims.grid(verdicts)
    return _table(["case", "", *(f"{kernel_text(kernel)}, {fs}" for kernel, fs in grid["places"])],
                  [[claim, case, *(one["word"] if one else "" for one in across)] for claim, case, across in grid["rows"]])


def _table(titles, rows):
    return ["| " + " | ".join(map(_cell, titles)) + " |", "|" + " --- |" * len(titles),
            *("| " + " | ".join(map(_cell, row)) + " |" for row in rows)]


def _markdown_grid(columns, rows):
    return _table([title for title, _ in columns], [[form(row) for _, form in columns] for row in rows])


CSV_FIELDS = ("name", "kernel", "fs", "strategy", "writes_per_sync", "workload", "state", "order", "threads", "probes",
              "touch", "attackers", "setting", "seed", "repetition_index", "status", "reason", "unit", "time_domain",
              "per_fault", "per_page", "tax", "tax_page", "touches", "pages", "faults", "syncs", "app_syncs", "commits",
              "mtime_changes", "mapped_order", "p50", "p90", "p99", "p99_9", "max", "slowdown", "slowdown_p50",
              "retries_max", "progress_max")


def csv_text(inputs):
    """A line a row of the result, all samples; what a spreadsheet would take for a formula is text to it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*CSV_FIELDS, "dirty_inodes", "starved", "ratio"])
    ratios = {}
    for group in cells.sections(inputs.result).values():
        for cell in group:
            if cell.best:
                ratios[cell.best["name"]] = cells.baseline_ratio(inputs.result.words, group, cell)
    for name, rows in inputs.result.samples.items():
        for row in rows:
            starved = row.get("starved")
            values = [None if field == "tax" and not cells.taxed(row, "per_fault") else row.get(field) for field in
                      CSV_FIELDS] + [
                load.unrelated(row), None if starved is None else starved["n"], ratios.get(name)]
            writer.writerow([_value(value) for value in values])
    return out.getvalue()


def _value(value):
    if not isinstance(value, str):
        return value
    value = plain(value)
    return "'" + value if value[:1] in ("=", "+", "-", "@") else value
