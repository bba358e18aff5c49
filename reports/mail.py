# SPDX-License-Identifier: GPL-2.0-only
"""A comparison or a report to paste into a mail: at most 25 lines of 72 columns, which say all that a reader needs to judge
it and to have it again."""

import math
import shlex
import textwrap

import answer
import canonical
import claims
import compare
import compare_text
import infer
import load
import table
from load import plain
from number import counted, number

WIDTH, LINES = 72, 25
LEAST_FLOOR = 0.1  # percent; a lesser one puts in order what moved as if it were this
COMMAND_LINES = 4  # of one command; a longer one is in the result
# Options of `run` that change no figure, with how many words they are.
PLACES = {"--out": 2, "--jobs": 2, "--force": 1, "--no-table": 1, "--quiet": 1, "--json": 1}
NAMED = 3  # kernels; of more the first and the last are
FEWEST_ROWS = 3  # of a table, whatever else there is to say


def of_comparison(a, b, data, chosen=()):
    """The text of a comparison `data` of two Results. chosen: the words that chose what is compared, as they were typed."""
    rows = sorted((row for row, _ in compare.folded(data["rows"])), key=_telling)
    alike = len(data["rows"]) - len(rows)
    head = wrap(f"faultline compare: A = {data['a']}, B = {data['b']}")
    for side, result in (("A", a), ("B", b)):
        head += wrap(f"{side}: {_kernels(result, (data['kernels'] or ())[side == 'B':][:1])}; {load.tool(result.context)}")
    for part in data["incomplete"]:
        head += wrap(f"{part['side'].upper()} is INCOMPLETE: {part['reason']}")
    others = [entry["field"] for entry in data["environment"] if entry["weight"] == compare.SURROUNDINGS]
    if others:
        head += wrap(f"NOT THE SAME: {others[0]}" + (f", and {len(others) - 1} more" if len(others) > 1 else ""))
    head += wrap(compare_text.counts(data) + (f" ({alike} say what another of their cell says)" if alike else ""))
    head += wrap(f"{compare_text.samples(data)}; {compare_text.floors(rows)}; {_unit(data)}; diff in % of A")
    one, other = ([_measures(context["command_line"]) for _, context in result.parts] for result in (a, b))
    tail = _again(a, "A, B: ") if one == other else [*_again(a, "A: "), *_again(b, "B: ")]
    see = ["faultline", "compare", data["a"], data["b"], *chosen]

    def left_out(found):
        said = [f"{sum(row['verdict'] == verdict for row in found)} {verdict}" for verdict in compare.VERDICTS
                if any(row["verdict"] == verdict for row in found)]
        return f"{counted(len(found), 'figure')} left out ({', '.join(said)}): `{_seen(see, 'faultline compare A B')}`"
    return _fitted(head, rows, lambda shown: _compared(data, shown), tail, left_out)


def of_report(given, verdicts):
    """The text of a report of Inputs with these verdicts."""
    result = given.result
    data, rows = table.build(result), answer.build(result, given.crashes)
    head = wrap(f"faultline report: {_kernels(result)}; {', '.join(dict.fromkeys(row['fs'] for row in rows))}".rstrip("; "))
    head += wrap(f"{load.tool(result.context)}, {result.context['date'][:10]}; {table.counts(data)}")
    spread = max((row["spread"] for row in rows), default=0)
    counts = sorted({row["samples"] for row in rows})
    kind = table.SAMPLES[data["time_domain"]]
    if rows:
        few = (f"of one {kind[:-1]}: what accident adds is not known" if counts[-1] < 2 else
               samples(counts, kind, spread))
        head += wrap(("medians " if counts[-1] > 1 else "figures ") + few)
        head += wrap(f"{_unit(data)}; {answer.scope(rows)}")
    tail = wrap(answer.note(rows, data["unit"]) + ".") if rows else []
    tail += _claims(verdicts)
    several = len({row["kernel"] for row in rows}) > 1
    columns = (("kernel", lambda row: result.words.kernel_name(row["kernel"])),) * several + answer.columns(rows)
    see = ["faultline", "report", *(path for path, _ in result.parts), "--text"]

    def grid(shown):
        return table.grid(columns, [row for row in rows if row in shown], answer.WORDS + ("kernel",), WIDTH)

    def left_out(found):
        return f"{counted(len(found), 'line')} left out: `{_seen(see, 'faultline report RESULT --text')}`"
    return _fitted(head, _by_turns(rows), grid, tail + _again(result), left_out)


def samples(counts, kind, spread):
    """Of how many samples medians are, and the interval from the least to the greatest: its confidence, and how wide it is at most.
    counts: sorted; kind: what they are called; spread: in percent."""
    return (f"of {'-'.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} {kind}, "
            f"{infer.range_confidence(counts[0]) * 100:.1f} % interval <= {spread:.2g} %")


def of_answer(question, unit, result, lines, grid, failed, skipped):
    """The text of an answer to a Question. unit: what its figures are, and of how many seeds; lines: rows of its table, which
    grid(lines) makes; failed: what stands below; skipped: what does where there is room, for a cell that cannot be is a gap in
    the table."""
    about = result.context["kernels"]
    releases = dict.fromkeys(about.get(name, {}).get("release") or name for name in compare.kernels_of(result))
    head = wrap(question.asked) + wrap(unit) + wrap(_first_to_last(list(releases)))
    head += wrap(f"{load.tool(result.context)}, {result.context['date'][:10]}; hash {canonical.digest(result)[:16]}")
    begin, end = wrap(question.note) + failed, _again(result)
    room = LINES - len(head + ["", *grid(lines)] + begin + end)
    return _fitted(head, lines, grid, begin + (skipped if len(skipped) <= room else []) + end,
                   lambda left: f"{counted(len(left), 'line')} left out: `faultline answer {question.id} {result.path} --json`")


def _measures(words):
    """A command without what is of one place: where it lay, and what became of its output."""
    found, at = ["faultline"], 1
    while at < len(words):
        name, _, value = words[at].partition("=")
        if name in PLACES:
            at += 1 if value else PLACES[name]
        else:
            found.append(words[at])
            at += 1
    return found


def _telling(row):
    """A sort key: what got worse or better first, then by how far beyond its floor it moved."""
    order = (compare.WORSE, compare.BETTER, compare.UNCLEAR, compare.DIFFERS, compare.NO_FLOOR, compare.SAME, compare.IDENTICAL)
    return order.index(row["verdict"]), -round(abs(row["percent"]) / max(row["floor"], LEAST_FLOOR), 3)


def _by_turns(rows):
    """The rows of an answer, of each state in turn the one whose ratio is farthest from 1."""
    by_state = {}
    for row in rows:
        by_state.setdefault(row["state"], []).append(row)
    for group in by_state.values():
        group.sort(key=lambda row: -abs(math.log(row["against"]["ratio"])) if row["against"] and row["against"]["ratio"] else 0)
    return [group[turn] for turn in range(max(map(len, by_state.values()), default=0)) for group in by_state.values()
            if turn < len(group)]


def _fitted(head, rows, grid, tail, left_out):
    """The lines, with as many rows as fit, the most telling; the last says what was left out. grid: function(rows) -> lines;
    left_out: function(rows) -> text."""
    def made(shown):
        end = wrap(left_out(rows[shown:])) if shown < len(rows) else []
        return head + (["", *grid(rows[:shown])] if shown else []), end

    shown = len(rows)
    while shown > FEWEST_ROWS and sum(map(len, made(shown))) + len(tail) > LINES:
        shown -= 1
    body, end = made(shown)
    return "\n".join((body + tail)[:LINES - len(end)] + end) + "\n"


def _seen(words, short):
    """A command in a line that is its last; in short where its names are long."""
    text = shlex.join(words)
    return text if len(text) <= 2 * WIDTH else short


def _compared(data, rows):
    """The grid of rows of a comparison; what all of them share stands above it once."""
    rows = [{**row, "section": compare.section_text(data, row["section"])} for row in rows]
    constant = _constant(row["section"] for row in rows)
    where = ("where", lambda row: " ".join(part for index, part in enumerate(row["section"]) if constant[index] is None))
    state, metric = ("state", lambda row: row["what"][1]), ("metric", lambda row: row["metric"])
    varying = [column for column in (where, state, metric) if len({column[1](row) for row in rows}) > 1]
    same = [part for part in constant if part is not None] + [
        column[1](rows[0]) for column in (state, metric) if column not in varying and column[1](rows[0])]
    columns = (*(where,) * (where in varying), ("cell", lambda row: row["what"][0] + "*" * row["probed"]),
               *(column for column in (state, metric) if column in varying), ("A", lambda row: number(row["a"])),
               ("B", lambda row: number(row["b"])), ("diff", lambda row: compare_text.percent(row["percent"])),
               ("verdict", lambda row: row["verdict"]))
    return [*wrap(", ".join(same)), *table.grid(columns, rows, ("where", "cell", "state", "metric", "verdict"), WIDTH)]


def _constant(sections):
    """What all sections share, part by part; None where they differ. A part that some lack differs."""
    sections = [tuple(section) for section in sections]
    longest = max(map(len, sections), default=0)
    found = []
    for index in range(longest):
        parts = {section[index] if index < len(section) else None for section in sections}
        found.append(parts.pop() if len(parts) == 1 else None)
    return found


def _kernels(result, only=()):
    return _first_to_last([result.words.kernel_text(name) for name in list(only) or compare.kernels_of(result)])


def _first_to_last(kernels):
    if len(kernels) > NAMED:
        return f"{len(kernels)} kernels, {kernels[0]} to {kernels[-1]}"
    return ", ".join(kernels) or "no kernel"


def _unit(data):
    return f"{data['unit']}, {data['time_domain']} time" + ("" if data["time_domain"] == "wall" else " (no cache, no medium)")


def _claims(verdicts):
    """The claims by what is said of them as a whole; none where none is decided."""
    found = {}
    for claim in claims.CLAIMS:
        mine = [one for one in verdicts if one["id"] == claim.id]
        if mine:
            found.setdefault(claims.overall(claim, mine)["verdict"], []).append(claim.id)
    if set(found) <= {claims.NOT_DECIDED}:
        return []
    return wrap("claims of 2017: " + "; ".join(f"{word}: {' '.join(ids)}" for word, ids in found.items()))


def _again(result, begin=""):
    """The command of a result's first part, and how many parts more there are."""
    words = _measures(result.parts[0][1]["command_line"])
    more = f"(and {len(result.parts) - 1} more, each in its result.json)" if len(result.parts) > 1 else ""
    lines = _command(words, begin)
    if len(lines) > COMMAND_LINES:
        lines = wrap(f"{begin}{shlex.join(words[:2])} ..., whole in result.json, command_line")
    return lines + (wrap(more) if more else [])


def _command(words, begin):
    """A command in lines that a shell takes back. An option stands with its value; one that is longer than a line is parted behind
    its commas alone, and what cannot be makes more lines than a mail has for a command."""
    lines, line = [], begin
    for text in _options(words):
        if len(line) + len(text) + 2 > WIDTH and line.strip():
            lines.append(line.rstrip() + " \\")
            line = "  "
        while len(line) + len(text) + 2 > WIDTH and "'" not in text:
            comma = text.rfind(",", 0, WIDTH - len(line) - 1)
            if comma < 0:
                break
            lines.append(line + text[:comma + 1] + "\\")
            line, text = "", text[comma + 1:]
        line += text + " "
    found = [*lines, line.rstrip()]
    return found if max(map(len, found)) <= WIDTH else [found[0]] * (COMMAND_LINES + 1)


def _options(words):
    """The words of a command as a shell has them, an option's value behind its name."""
    found = []
    for index, word in enumerate(words):
        text = plain(shlex.quote(word))
        if index and words[index - 1].startswith("--") and "=" not in words[index - 1] and not word.startswith("-"):
            found[-1] += f" {text}"
        else:
            found.append(text)
    return found


def wrap(line):
    return textwrap.wrap(plain(line), WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [""]
