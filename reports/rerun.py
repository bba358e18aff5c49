# SPDX-License-Identifier: GPL-2.0-only
"""The command that measures given rows again."""

import shlex

import cells
import load
from claims import where


def command(result, rows, out):
    """A command line that measures at least these rows of a Result. It measures what lies between as well: a selection
    is all combinations of its lists."""
    vocabulary = result.words
    rows = sorted(rows, key=vocabulary.strategy_rank)

    def each(function, order=None):
        found = dict.fromkeys(function(row) for row in rows)
        return [str(value) for value in (sorted(found, key=order) if order else found)]

    def rank(table):
        return lambda value: vocabulary.rank(table, value)

    words = ["faultline", "run", *where(result.context, each(lambda row: row["kernel"])),
             "--fs", ",".join(each(lambda row: row["fs"])),
             "--strategy", ",".join(each(cells.label)), "--workload", ",".join(each(lambda row: row["workload"])),
             "--state", ",".join(each(lambda row: row["state"], rank("state")))]
    contests = [row for row in rows if cells.is_contest(row)]
    touches = dict.fromkeys(row["touch"] for row in contests if row["touch"] != cells.NOBODY)
    for option, values, default in (
            ("--order", each(lambda row: row["order"], rank("order")), ["pte"]),
            ("--threads", each(lambda row: row["threads"], int), ["1"]),
            ("--touch", list(touches), []),
            ("--attackers", [str(n) for n in sorted({row["attackers"] for row in contests})], ["1"]),
            ("--setting", list(dict.fromkeys(row["setting"] for row in contests)), []),
            ("--probes", sorted({row["probes"] for row in rows} - {vocabulary.twin}), ["on"]),
            ("--dirty-inodes", [str(n) for n in sorted({load.unrelated(row) for row in rows})], ["0"]),
            ("--stores-per-page", _numbers(rows, "stores_per_page"), []),
            ("--fault-deadline", _numbers(contests, "fault_deadline_ms", 20), ["20"])):
        if values and values != default and not (option == "--attackers" and not contests):
            words += [option, ",".join(values)]
    samples, probed = (max((len(result.samples.get(row["name"], ())) for row in rows if (row["probes"] != vocabulary.twin) == of),
                           default=0) for of in (False, True))
    if max(samples, probed) > 1:
        virtual = result.context["time_domain"] == "virtual"
        words += ["--seeds" if virtual else "--repetitions", str(max(samples, probed))]
        words += ["--probe-seeds", str(probed)] if virtual and 0 < probed < samples else []
    return shlex.join([*words, "--out", out])


def _numbers(rows, field, absent=None):
    """The values of a field that rows may lack, rising, as words; `absent` is what a row without it means."""
    found = {row.get(field) or absent for row in rows}
    return [str(number) for number in sorted(found - {None})]
