# SPDX-License-Identifier: GPL-2.0-only
"""The command that measures given rows again."""

import shlex

import cells
from claims import where


def command(result, rows, out):
    """A command line that measures at least these rows of a Result. It measures what lies between as well: a selection
    is all combinations of its lists."""
    vocabulary = result.words
    rows = sorted(rows, key=vocabulary.strategy_rank)

    words = ["faultline", "run", *where(result.context, list(dict.fromkeys(row["kernel"] for row in rows)))]
    for axis in vocabulary.axes:
        values = _values(vocabulary, axis, rows)
        if values and values != [axis["default"]] or axis["field"] in ALWAYS:
            words += [f"--{axis['id']}", ",".join(values)]
    probes = sorted({row["probes"] for row in rows} - {vocabulary.twin})
    words += ["--probes", ",".join(probes)] if probes and probes != [cells.DEFAULT] else []
    samples, probed = (max((len(result.samples.get(row["name"], ())) for row in rows if (row["probes"] != vocabulary.twin) == of),
                           default=0) for of in (False, True))
    if max(samples, probed) > 1:
        virtual = result.context["time_domain"] == "virtual"
        words += ["--seeds" if virtual else "--repetitions", str(max(samples, probed))]
        words += ["--probe-seeds", str(probed)] if virtual and 0 < probed < samples else []
    return shlex.join([*words, "--out", out])


ALWAYS = ("fs", "strategy", "workload", "state")  # said even where all are asked for


def _values(vocabulary, axis, rows):
    """The values that rows have of an axis, as words, in the order of a reader. Where only contests have it, a row that is none
    says nothing of it; else a row without it has what it means to say nothing."""
    field = axis["field"]
    if field == "strategy":
        return list(dict.fromkeys(cells.label(row) for row in rows))
    having = [row for row in rows if row.get(field) is not None]
    if all(cells.is_contest(row) for row in having):
        rows = [row for row in rows if having and cells.is_contest(row)]
    found = {axis.get("absent", axis["default"]) if row.get(field) is None else row[field] for row in rows}
    if field == "touch":
        found -= {cells.NOBODY}
    found = {str(value) for value in found if value is not None}
    return sorted(found, key=lambda value: (vocabulary.rank(axis["id"], value), int(value) if value.isdigit() else 0, value))
